"""Version of the package, which is the version of the broker that it was released with."""

__version__ = "0.1.0"
