"""Latitude-longitude grids, their cells, and the CF metadata that describe them."""
