"""Searching the input that maximizes an objective: parameterizations, transforms, optimizers, and runs of many targets at once."""
