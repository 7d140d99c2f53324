"""What is looked at: the only floor that knows ONNX, ONNX Runtime and how ONNX becomes torch."""
