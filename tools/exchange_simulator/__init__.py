"""The exchange simulator service."""
