"""What a real input does inside the model."""
