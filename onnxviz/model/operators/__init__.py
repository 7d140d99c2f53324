"""ONNX operators as torch functions: one module per family of operators, one folder per kingdom of families.

The module `declaration` says how the function of an operator is written. Every other module beside the folders declares operators.
Modules that only help operators lie in the folders.
"""
