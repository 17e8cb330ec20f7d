"""Every figure that the documents state, what measures it, and what it came to: ``make claims``."""
