"""The process: routes, logins, limits, metrics."""
