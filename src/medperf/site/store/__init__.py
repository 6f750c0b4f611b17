"""What a site remembers: one SQLite file, shared safely by the agent and the command line."""
