"""The plans that a workflow has had: lock files, the code behind them, and whether it still fits."""
