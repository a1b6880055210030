"""The science: what is computed of units, events, comparisons, quality and anatomy."""
