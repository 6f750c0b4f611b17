"""The stock evaluator: a committee writes parameters, no code."""
