"""Feature rows: where they are kept and how models read them."""
