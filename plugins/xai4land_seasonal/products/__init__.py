"""What is made of forecasts: calibration, terciles, pictures, reports."""
