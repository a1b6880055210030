"""The rail: filters, colours, notes."""
