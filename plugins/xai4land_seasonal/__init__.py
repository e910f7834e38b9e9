"""Seasonal anomalies one month ahead, as the accessor ``ds.seasonal``; not built yet."""
