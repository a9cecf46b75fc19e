"""Nodes of the model: their attributes, inputs, order, and the functions of the model."""
