"""What an input expects, with the evidence for it, and what it is fed where nothing is given."""
