"""The part of llvmlite that Tondo uses; the package itself carries no types."""

__version__: str
