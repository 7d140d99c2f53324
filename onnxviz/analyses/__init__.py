"""One verb, one Python function: what the command line, a notebook and the report call. Prints nothing."""
