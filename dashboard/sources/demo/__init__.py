"""A synthetic insertion, which says that it is synthetic."""
