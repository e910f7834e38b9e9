"""Products of forecasts: calibration, terciles, pictures, reports."""
