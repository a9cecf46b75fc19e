"""Passes for Tondo."""
