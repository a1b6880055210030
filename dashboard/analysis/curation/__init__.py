"""What decisions about units come to."""
