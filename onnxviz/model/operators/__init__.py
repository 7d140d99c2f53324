"""ONNX operators as torch functions, one file per family.

`declaration` says what an operator's function looks like; every other module declares operators.
"""
