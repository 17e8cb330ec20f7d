"""Days of event time through the live pipeline, and what grows: `make soak`, docs/soak.md."""
