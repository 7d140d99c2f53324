"""Which parts of a real input drive a target."""
