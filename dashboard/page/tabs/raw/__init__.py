"""Tab Raw: the voltage around a moment, and the quality of the recording by depth."""
