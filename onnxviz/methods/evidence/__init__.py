"""How far a maximum can be trusted: robustness, consistency with real data, and the verdict in one word."""
