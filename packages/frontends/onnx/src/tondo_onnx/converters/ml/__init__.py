"""Converters of the domain ``ai.onnx.ml``: classical learned models and the preparation of features."""
