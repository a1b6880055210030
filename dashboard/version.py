"""The version, stated once: the distribution, figures, exports and the health page read it here."""

__version__ = "0.1.0"
