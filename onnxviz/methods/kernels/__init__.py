"""Descriptions of the kernels of a first layer, from their weights alone."""
