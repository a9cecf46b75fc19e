"""Minimal filtering: what it costs, which layouts it wishes and how its transformations are scheduled."""
