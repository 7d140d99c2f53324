"""How a data set lies in the space of a tensor."""
