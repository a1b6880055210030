"""Which units pass, by limits, labels, regions and expressions."""
