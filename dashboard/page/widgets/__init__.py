"""Small widgets that several parts of the page use."""
