"""The inputs of a model, read from files, arrays, tables and numbers in the same way for every analysis."""
