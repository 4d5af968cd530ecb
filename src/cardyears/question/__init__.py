"""What the person said: the only readers of human words and numbers."""
