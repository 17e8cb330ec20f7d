"""``features check``: evidence that a file of definitions gives the same numbers everywhere."""
