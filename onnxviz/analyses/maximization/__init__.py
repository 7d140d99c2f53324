"""An input that drives a target as high as it will go, and how far it can be trusted."""
