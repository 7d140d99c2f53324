"""What is found by running the model: the range that its outputs tell pictures apart in, and sizes that it accepts."""
