"""Jobs of a report on other machines, through Dask."""
