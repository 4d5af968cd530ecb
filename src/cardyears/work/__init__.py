"""What must be done: parameters, FLOP, state and activations of an architecture. Knows no hardware."""
