"""What a tensor means: its axes, its units, what of the input it sees, and whether a gradient reaches it."""
