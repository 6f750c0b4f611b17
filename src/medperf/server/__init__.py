"""The coordination server: registry and governance."""
