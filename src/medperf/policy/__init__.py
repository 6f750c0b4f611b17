"""May this happen, and may these numbers leave? Facts in, explained decisions out."""
