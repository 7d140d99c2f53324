"""The verbs as Python functions, for the command line, notebooks and the report. They print nothing."""
