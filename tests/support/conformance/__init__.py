"""The official backend tests of ONNX against Tondo: cases, workers that survive crashes, expectations, the page."""
