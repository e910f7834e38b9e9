"""Seasonal anomalies one month ahead, as the accessor ``ds.seasonal`` and as functions."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from xai4land_seasonal.calibration import calibrate, combine
    from xai4land_seasonal.card import SeasonalCard
    from xai4land_seasonal.climatology import anomalies
    from xai4land_seasonal.emulator import SeasonalEmulator
    from xai4land_seasonal.fitting import fit
    from xai4land_seasonal.forecasting import forecast
    from xai4land_seasonal.hindcasts import hindcast_seasons
    from xai4land_seasonal.means import seasonal_means
    from xai4land_seasonal.page import report
    from xai4land_seasonal.plots import plot, plot_plume, plot_reliability, plot_scores
    from xai4land_seasonal.references import REFERENCES
    from xai4land_seasonal.terciles import tercile_probabilities
    from xai4land_seasonal.training import Settings
    from xai4land_seasonal.variables import Variable
    from xai4land_seasonal.verification import summary, verify

_LATE = {
    "REFERENCES": "references",
    "SeasonalCard": "card",
    "SeasonalEmulator": "emulator",
    "Settings": "training",
    "Variable": "variables",
    "anomalies": "climatology",
    "calibrate": "calibration",
    "combine": "calibration",
    "fit": "fitting",
    "forecast": "forecasting",
    "hindcast_seasons": "hindcasts",
    "plot": "plots",
    "plot_plume": "plots",
    "plot_reliability": "plots",
    "plot_scores": "plots",
    "report": "page",
    "seasonal_means": "means",
    "summary": "verification",
    "tercile_probabilities": "terciles",
    "verify": "verification",
}

__all__ = [
    "REFERENCES",
    "SeasonalCard",
    "SeasonalEmulator",
    "Settings",
    "Variable",
    "anomalies",
    "calibrate",
    "combine",
    "fit",
    "forecast",
    "hindcast_seasons",
    "plot",
    "plot_plume",
    "plot_reliability",
    "plot_scores",
    "report",
    "seasonal_means",
    "summary",
    "tercile_probabilities",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"xai4land_seasonal.{_LATE[name]}"), name)
    raise AttributeError(f"module 'xai4land_seasonal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
