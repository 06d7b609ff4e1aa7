"""Runs from outside: started, watched, decided on, exported, and read from their histories."""
