"""Objectives, which are maximized: terms over named tensors, sums of terms, and the notation for them."""
