"""Registered AI models."""
