"""Tab Unit: all that is known of the selected units."""
