"""The frame of every service: settings, logs, health, signals, exit codes."""
