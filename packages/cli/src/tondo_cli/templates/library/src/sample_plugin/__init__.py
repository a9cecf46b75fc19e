"""Hand-written kernels for Tondo."""
