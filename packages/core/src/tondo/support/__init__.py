"""What every room of the core shares and that imports nothing of it."""
