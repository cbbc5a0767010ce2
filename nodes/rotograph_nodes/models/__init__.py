"""Model adapters, one family a file; heavy imports happen when a model is loaded."""
