"""Scores of forecasts, of any variable and season."""
