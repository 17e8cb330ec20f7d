"""What makes a process a well-behaved service: exit codes, signals, logs, metrics, health."""
