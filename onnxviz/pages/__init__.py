"""The report: many questions asked of one model, put on pages that open without a network."""
