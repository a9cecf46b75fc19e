"""Reads models of one format for Tondo."""
