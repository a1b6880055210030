"""Tab Summary: quality of the insertion."""
