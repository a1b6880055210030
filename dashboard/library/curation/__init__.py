"""Decisions about units: kept, read, brought in and given out."""
