"""Tab Change: two spans of a session against each other."""
