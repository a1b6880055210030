"""What one tab of the browser shows."""
