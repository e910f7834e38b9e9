"""Leaf area: monthly, from maps or fractions of land cover and the climate of the months before."""
