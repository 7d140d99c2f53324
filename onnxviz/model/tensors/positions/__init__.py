"""Which positions of a tensor an operator makes each position of its output of: the arithmetic behind receptive fields."""
