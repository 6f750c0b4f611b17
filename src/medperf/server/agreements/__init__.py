"""Agreements between organizations: proposed, signed by each, in force, over."""
