"""Addresses that code exported by earlier versions imports from; what it names lives in `dashboard.analysis`."""
