"""Typed access to the server: one method per route."""
