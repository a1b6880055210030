"""What the browser shows, one panel per file."""
