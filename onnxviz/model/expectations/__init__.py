"""The contracts of inputs with the evidence for them, and the values of inputs that are not given."""
