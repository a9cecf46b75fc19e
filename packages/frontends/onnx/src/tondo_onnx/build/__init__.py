"""Building the graph function: dimensions, values, names, bindings, and the evaluation of what is known at import."""
