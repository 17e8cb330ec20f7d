"""The trade replayer service."""
