"""How much the live pipeline carries: `make bench-load`, docs/load.md."""
