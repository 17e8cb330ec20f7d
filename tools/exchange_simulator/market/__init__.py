"""The simulated market: one model of trades in time, spoken by every protocol."""
