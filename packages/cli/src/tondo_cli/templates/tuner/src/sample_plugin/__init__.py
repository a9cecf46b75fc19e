"""Searches for schedules for Tondo."""
