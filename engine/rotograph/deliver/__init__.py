"""What leaves Rotograph for other programs and people: mattes as they take them."""
