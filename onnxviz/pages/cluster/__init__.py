"""Runs the jobs of a report on other machines, through Dask."""
