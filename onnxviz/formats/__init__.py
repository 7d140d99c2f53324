"""Reading and writing of files: samples, tables, data sets, results, and the folders that hold results.

This room knows arrays and files, and nothing of models.
"""
