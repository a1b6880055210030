"""Where insertions come from."""
