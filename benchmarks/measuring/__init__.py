"""What benchmarks measure with: processes, lags, pictures and the machine they ran on."""
