"""Insertions found, opened, shared and kept on disk."""
