"""Models of ai.onnx.ml: trees, linear models, support vectors, and the features before them."""
