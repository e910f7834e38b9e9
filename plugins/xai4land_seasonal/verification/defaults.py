"""What a verification shows unless told otherwise; light, so that signatures can name it."""

__all__ = ["DEFAULT_METRICS", "DEFAULT_REFERENCES"]

DEFAULT_METRICS = (
    "acc",
    "residual_correlation",
    "rmse",
    "msess",
    "spread_error",
    "crpss",
    "rpss",
)
DEFAULT_REFERENCES = ("climatology", "trend", "persistence")
