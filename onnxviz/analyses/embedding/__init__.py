"""Embedding: a map of which samples of a data set are similar inside the model."""
