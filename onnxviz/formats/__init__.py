"""What is read and written: samples, pictures, charts, results and the folders that hold them.

This floor knows arrays and files; it has never heard of a model.
"""
