"""Files from a server: resumed, verified, cancelled, shared between processes."""
