"""The colors that everything drawn here shares."""

from __future__ import annotations

BACKGROUND = "#FAF9F6"
INK = "#2B2B2B"
MUTED = "#6B6B6B"
HAIRLINE = "#D8D5CE"

# Okabe and Ito, "Color Universal Design" (2008): told apart by every kind of color blindness. Their yellow is left out,
# as a line on off-white it cannot be seen, and black is the ink's.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
