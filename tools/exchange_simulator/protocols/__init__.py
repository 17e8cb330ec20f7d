"""The public protocols the simulator speaks, one file an exchange."""
