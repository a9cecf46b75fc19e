"""Converters: from nodes of ONNX to operators, one file per family, by the operator-set version that changed them."""
