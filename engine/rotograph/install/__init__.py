"""Putting the nodes into a compositing host, and taking them out again without a trace."""
