"""ONNX operators as torch functions, one file per family and a folder for each kingdom of families.

`declaration` says what an operator's function looks like; every other module of this folder declares operators. What several
operators compute with and no operator is itself lies in the folders.
"""
