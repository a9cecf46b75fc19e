"""Reading model files: the wire format, the confined reader of external data, tensors and types."""
