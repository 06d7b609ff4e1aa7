"""An exhaustive search through the machine: every plan of some shapes, every event in every state that can be reached.

`shapes` makes the plans, `events` the honest and the hostile events, `rules` judges each transition without the help
of the machine, `search` walks and counts. Run as a script: `python -m tests.explorer.search --nodes 3`.
"""
