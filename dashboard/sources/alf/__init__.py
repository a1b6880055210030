"""Sortings in ALF files: names, choice of sorter and revision, reading and validation."""
