"""The feature store that only shows rows."""
