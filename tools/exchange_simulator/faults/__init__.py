"""Faults that can be ordered from the simulator, and the board that deals them out."""
