"""Activations: the values of tensors for real samples."""
