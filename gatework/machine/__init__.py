"""The order itself: pure functions from a plan, a state and an event to the next state."""
