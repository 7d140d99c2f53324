"""Element types, rounding and bits: what operators do to single numbers."""
