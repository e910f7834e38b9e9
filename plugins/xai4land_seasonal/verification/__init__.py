"""Forecasts and references scored against observations."""
