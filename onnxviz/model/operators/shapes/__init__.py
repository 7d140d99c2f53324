"""Operators that reshape, join, pad and index tensors. Beside them lie the rules of windows, of old broadcasting, and of allowed sizes."""
