"""What changes between two spans of a session."""
