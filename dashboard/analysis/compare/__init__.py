"""What two sortings, or two sets of filters, have in common."""
