"""The feature stores a writer can write to, behind one small interface."""
