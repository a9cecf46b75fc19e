"""Targets for Tondo."""
