"""Shared look of every page: templates, components, charts, vendored files."""
