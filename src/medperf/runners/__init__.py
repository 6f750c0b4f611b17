"""Run one step in isolation."""
