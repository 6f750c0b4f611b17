"""A site's own program: agent, store, gate."""
