"""How old data is at each stage: one set of buckets, so that stages can be compared."""

#: Upper bounds of the freshness histograms, seconds.
FRESHNESS_BUCKETS = (0.1, 0.2, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600)
