"""The report: a page that shows what a model has learned, and works without a network."""
