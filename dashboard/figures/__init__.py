"""Figures that are not the live raster, each declared once: page, sheets and notebooks draw the same values."""
