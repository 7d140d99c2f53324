"""What is maximized: terms over named tensors, their sums, and the notation in which a person writes them."""
