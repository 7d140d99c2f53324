"""Attention in all its forms, rotary positions, and the activations of transformers."""
