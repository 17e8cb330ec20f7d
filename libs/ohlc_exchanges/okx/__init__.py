"""OKX: everything of this exchange."""
