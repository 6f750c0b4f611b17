"""What benches play on: a real server's processes, a federation, and load from outside."""
