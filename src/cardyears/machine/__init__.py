"""What there is: devices, links, clusters, money and energy. Knows no model."""
