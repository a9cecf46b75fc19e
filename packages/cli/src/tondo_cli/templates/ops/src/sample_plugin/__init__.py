"""Operators for Tondo."""
