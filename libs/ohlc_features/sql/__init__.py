"""The feature store in SQLite or Postgres: its writer and its reader."""
