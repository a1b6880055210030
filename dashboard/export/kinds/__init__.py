"""One module for each kind of sheet or data file."""
