"""Instructions for Tondo."""
