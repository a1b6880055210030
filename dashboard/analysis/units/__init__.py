"""What the spikes of one unit, or of a pair, show."""
