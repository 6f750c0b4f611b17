"""Datasets and models taking part in benchmarks."""
