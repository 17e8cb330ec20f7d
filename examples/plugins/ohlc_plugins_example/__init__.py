"""An exchange, a source of history and a feature store of another package."""
