"""The operators: one class, one file, one node, and the model adapters they call."""
