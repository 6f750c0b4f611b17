"""Released estimates."""
