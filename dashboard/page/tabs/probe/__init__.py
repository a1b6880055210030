"""Tab Probe: units on their channels, amplitudes by depth."""
