"""The other questions: how many parameters, how many FLOP, is a claim plausible, what would it take, what instead."""
