"""The model: the only floor that knows ONNX, ONNX Runtime and the conversion of ONNX to torch."""
