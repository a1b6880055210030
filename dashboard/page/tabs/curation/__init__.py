"""The tab Curation: labels, notes and flags of units, and what was decided so far."""
