"""Operators that compute values between pixels or move them: Resize, GridSample, regions of interest and patches."""
