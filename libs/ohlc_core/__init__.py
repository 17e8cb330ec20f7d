"""What every service shares: the domain, the wire messages, settings, Kafka plumbing, runtime."""
