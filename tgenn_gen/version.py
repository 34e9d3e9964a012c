"""The version of this package, which generated files name."""

__version__ = "0.1.0"
