"""The newest rows in Redis, beside a feature store that keeps all of them: for serving."""
