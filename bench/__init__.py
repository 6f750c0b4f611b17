"""Measured comparisons: each module is one command and prints one table of ratios."""
