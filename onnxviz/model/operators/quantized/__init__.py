"""Quantization, and layers that compute on quantized values."""
