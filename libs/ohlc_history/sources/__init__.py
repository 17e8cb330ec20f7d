"""Where history comes from: an exchange's REST pages, files, or a query."""
