"""Which parts of an input drive a score: every method is a function of a function.

The function takes the inputs that are explained, each (sample, *shape), and gives (sample,) scores.
"""
