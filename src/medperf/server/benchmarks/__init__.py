"""Benchmarks and their leaderboards."""
