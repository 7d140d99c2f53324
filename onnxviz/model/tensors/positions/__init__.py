"""The arithmetic of receptive fields: the positions of an operand that each position of an operator's output reads."""
