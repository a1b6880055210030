"""IBL's metrics and labels of units, and the quality of an insertion."""
