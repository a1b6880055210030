"""Where spikes and units lie: regions, shanks, the probe."""
