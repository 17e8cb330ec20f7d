"""The whole pipeline under seeded faults: `make chaos`, docs/chaos.md."""
