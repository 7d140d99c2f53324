"""onnx2torch, another converter: its registered converters as operators, and its whole module as an engine to verify.

The package is optional, and imported only if a plugin or a request names it.
"""
