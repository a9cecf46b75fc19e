"""Compiles kernels for a machine of its own, for Tondo."""
