"""The trade producer service."""
