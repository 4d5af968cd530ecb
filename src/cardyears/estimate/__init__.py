"""Case and layout to ledgers: memory, time, energy, cost."""
