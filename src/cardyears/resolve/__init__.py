"""From what was said and what is known to a Case: every value that was filled in, with its reason."""
