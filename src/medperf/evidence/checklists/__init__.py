"""Reporting checklists, and what of each the platform can answer."""
