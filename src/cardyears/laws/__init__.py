"""Scaling laws with their fitted ranges. Knows neither hardware nor catalogue."""
