"""The command line for every role."""
