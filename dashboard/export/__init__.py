"""What leaves: figures on paper, data files, code."""
