"""Memory planning and the host function."""
