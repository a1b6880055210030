"""Tab Clusters: the linked table of units."""
