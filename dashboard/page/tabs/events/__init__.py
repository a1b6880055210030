"""Tab Events: responses of units and populations to events of trials."""
