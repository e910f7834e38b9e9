"""Scores of forecasts and of maps of classes; they know no variable, season or land."""
