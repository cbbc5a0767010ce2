"""What runs inside a host: Python 3.7 and the standard library, nothing else."""

VERSION = "0.1.0"
