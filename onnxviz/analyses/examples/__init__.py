"""Which samples of a data set drive a target most, and least."""
