"""The dashboard: one page on what the pipeline does; it reads everything and writes nothing."""
