"""Operators on single numbers: casts, rounding and bits. Beside them lie the rules of element types that all operators share.

ONNX has more element types than torch. The modules here say how torch carries each type, and compute its rounding and its wrap-around.
"""
