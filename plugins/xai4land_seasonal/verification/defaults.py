"""Default metrics and references, in a module that signatures can import cheaply."""

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
