"""An Alyx server as a source."""
