"""Work, grants and what became of them."""
