"""What is shown, and what runs, while an insertion opens."""
