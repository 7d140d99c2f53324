"""Attribution methods, which measure how parts of an input drive a score.

Every method takes the score as a function. This function takes the explained inputs, each (sample, *shape), and returns (sample,)
scores.
"""
