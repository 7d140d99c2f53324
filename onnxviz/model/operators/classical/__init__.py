"""Operators of classical models in ai.onnx.ml: trees, linear models, support vectors and features. TfIdfVectorizer of ONNX is here, too."""
