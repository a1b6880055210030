"""Spikes around the events of trials."""
