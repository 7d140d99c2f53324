"""What the kernels of a first layer look for, from their weights alone."""
