"""Units over a data set: scores, best samples, statistics, and maps in a plane."""
