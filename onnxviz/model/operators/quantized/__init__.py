"""Operators that quantize and dequantize, and layers that compute with quantized values.

Whole numbers of quantized values are carried as floats, so that a straight-through gradient can pass.
"""
