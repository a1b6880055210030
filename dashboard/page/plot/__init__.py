"""The live pictures: raster, heatmap, rows of units, strip, overview, profiles."""
