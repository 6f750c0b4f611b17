"""Stock containers a benchmark can use as they are."""
