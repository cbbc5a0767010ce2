"""The models that need no weights: numpy, scipy and OpenCV only, one idea a file."""
