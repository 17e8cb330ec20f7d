"""Settings from environment variables and ``.env``, validated at start."""
