"""The messages on the topics, their bytes, and the names of the topics."""
