"""The command line: words in, one answer out. No arithmetic."""
