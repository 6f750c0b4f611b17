"""Who said what, and is it true? Keys, envelopes, statements, log, verification."""
