"""What do the numbers say? Metrics, intervals, pooling, comparison, ranking."""
