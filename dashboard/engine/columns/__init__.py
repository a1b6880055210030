"""Spikes as compact columns sorted by time, with their indexes."""
