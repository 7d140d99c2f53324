"""Finds the samples of a data set with the highest and lowest scores for a target."""
