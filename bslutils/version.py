"""The version of the package, here so that every module can name it."""

__version__ = "0.1.0"
