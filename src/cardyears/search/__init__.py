"""Which of all legal layouts is best? The space by name, bounds, and an exhaustive search."""
