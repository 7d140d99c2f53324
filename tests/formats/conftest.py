"""Hypothesis without deadlines: the first call loads a font or matplotlib, and machines differ."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
