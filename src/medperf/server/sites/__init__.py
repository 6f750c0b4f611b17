"""Sites and their keys."""
