"""Raw voltage: filters, spectra, current sources, and what is cut out around a moment."""
