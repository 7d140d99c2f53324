"""The algorithms, as functions of callables and arrays. This room knows nothing of ONNX, files or terminals."""
