"""What is mended in Bokeh and Panel."""
