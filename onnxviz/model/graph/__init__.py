"""The ONNX graph as it is read from the file: nodes, tensors, constants, stored weights. Needs no torch."""
