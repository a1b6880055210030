"""NWB files with a table of units."""
