"""The work of the stages: endorsers, effects and what they need, one file for each outside system."""
