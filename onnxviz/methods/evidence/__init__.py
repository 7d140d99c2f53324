"""Measures of how far a maximum can be trusted: robustness, comparison with real data, and a verdict in one word."""
