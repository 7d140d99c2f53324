"""Operators that resample between pixels: Resize, GridSample, regions of interest and patches."""
