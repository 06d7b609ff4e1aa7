"""What people read of a run in the Temporal UI, and what they are asked there."""
