"""The feature writer service."""
