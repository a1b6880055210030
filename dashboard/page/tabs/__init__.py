"""One folder for each tab of the dock. Tabs do not import each other."""
