"""ALF files to the model."""
