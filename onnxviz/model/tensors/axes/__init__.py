"""What each axis of each tensor is: batch, time, units, height, width or depth, inferred once for a whole graph."""
