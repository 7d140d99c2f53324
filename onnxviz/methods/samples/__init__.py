"""What a data set says of units: scores, best samples, statistics, and maps on a plane."""
