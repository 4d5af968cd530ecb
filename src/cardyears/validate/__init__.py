"""Are the estimates right? Measured runs, read into the problems that the sums take."""
