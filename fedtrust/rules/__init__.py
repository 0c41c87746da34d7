"""Server-side rules on integers and NumPy arrays: pure, and deterministic to the bit on every machine."""
