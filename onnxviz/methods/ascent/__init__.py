"""The search for inputs that maximize objectives: parameterizations, transforms, optimizers, and many targets at once."""
