"""Registered containers."""
