"""The transparency log: every statement and every decision, appended with what it records."""
