"""The clinical tasks that the stock evaluator knows, one module each."""
