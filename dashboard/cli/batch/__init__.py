"""Commands over many insertions at once."""
