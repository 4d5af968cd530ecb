"""What is known and published: devices, links, models, runs, prices, electricity, measured shares, sources."""
