"""The meaning of tensors: axes, units, receptive fields, and whether a gradient reaches them."""
