"""The Export dialog, and what it gives."""
