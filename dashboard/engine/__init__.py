"""From spikes to numbers per pixel, counted exactly."""
