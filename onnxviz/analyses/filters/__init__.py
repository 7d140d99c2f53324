"""The kernels of a first layer, read straight from the file."""
