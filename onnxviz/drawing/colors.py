"""The colors that all pictures and charts of this room share."""

from __future__ import annotations

BACKGROUND = "#FAF9F6"
INK = "#2B2B2B"
MUTED = "#6B6B6B"
HAIRLINE = "#D8D5CE"

# Okabe and Ito, "Color Universal Design" (2008): people with every kind of color blindness can tell these colors apart. Their
# yellow is left out, since a yellow line cannot be seen on off-white. Their black is left out, since it is the color of text.
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
PALETTE = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
