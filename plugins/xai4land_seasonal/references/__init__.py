"""The simple forecasts by name."""

from __future__ import annotations

from xai4land_seasonal.forecaster import Forecaster
from xai4land_seasonal.references.analogs import Analogs
from xai4land_seasonal.references.eof import EofRidge
from xai4land_seasonal.references.simple import (
    Climatology,
    DampedPersistence,
    Persistence,
    RecentClimatology,
    Trend,
    TrendDampedPersistence,
)

__all__ = ["REFERENCES"]

_ALL: tuple[Forecaster, ...] = (
    Climatology(),
    RecentClimatology(10),
    RecentClimatology(30),
    Trend(),
    Persistence(),
    DampedPersistence(),
    TrendDampedPersistence(),
    EofRidge(),
    Analogs(),
)
REFERENCES: dict[str, Forecaster] = {one.name: one for one in _ALL}
