"""What is typed: commands, their options and what they print."""
