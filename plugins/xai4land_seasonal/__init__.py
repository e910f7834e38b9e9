"""Seasonal anomalies, months ahead, as the accessor ``ds.seasonal`` and as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai4land.lazy import import_lazily

if TYPE_CHECKING:
    from xai4land_seasonal.data.climatology import anomalies
    from xai4land_seasonal.data.hindcasts import hindcast_seasons
    from xai4land_seasonal.data.means import seasonal_means
    from xai4land_seasonal.data.variables import Variable
    from xai4land_seasonal.emulator.card import SeasonalCard
    from xai4land_seasonal.emulator.emulator import SeasonalEmulator
    from xai4land_seasonal.emulator.fitting import fit
    from xai4land_seasonal.emulator.settings import Settings
    from xai4land_seasonal.forecasting import forecast
    from xai4land_seasonal.products.calibration import calibrate
    from xai4land_seasonal.products.combination import combine
    from xai4land_seasonal.products.forecast_maps import plot
    from xai4land_seasonal.products.issuing import issue
    from xai4land_seasonal.products.lead_lines import plot_skill_by_lead
    from xai4land_seasonal.products.member_maps import plot_members
    from xai4land_seasonal.products.plume import plot_plume
    from xai4land_seasonal.products.reliability import plot_reliability
    from xai4land_seasonal.products.report import report
    from xai4land_seasonal.products.score_maps import plot_scores
    from xai4land_seasonal.products.terciles import tercile_probabilities
    from xai4land_seasonal.references import REFERENCES
    from xai4land_seasonal.verification.rebasing import rebase
    from xai4land_seasonal.verification.scores import summarise
    from xai4land_seasonal.verification.verify import verify

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
    "issue",
    "plot",
    "plot_members",
    "plot_plume",
    "plot_reliability",
    "plot_scores",
    "plot_skill_by_lead",
    "rebase",
    "report",
    "seasonal_means",
    "summarise",
    "tercile_probabilities",
    "verify",
]

__getattr__, __dir__ = import_lazily(
    __name__,
    {
        "REFERENCES": ".references",
        "SeasonalCard": ".emulator.card",
        "SeasonalEmulator": ".emulator.emulator",
        "Settings": ".emulator.settings",
        "Variable": ".data.variables",
        "anomalies": ".data.climatology",
        "calibrate": ".products.calibration",
        "combine": ".products.combination",
        "fit": ".emulator.fitting",
        "forecast": ".forecasting",
        "hindcast_seasons": ".data.hindcasts",
        "issue": ".products.issuing",
        "plot": ".products.forecast_maps",
        "plot_members": ".products.member_maps",
        "plot_plume": ".products.plume",
        "plot_reliability": ".products.reliability",
        "plot_scores": ".products.score_maps",
        "plot_skill_by_lead": ".products.lead_lines",
        "rebase": ".verification.rebasing",
        "report": ".products.report",
        "seasonal_means": ".data.means",
        "summarise": ".verification.scores",
        "tercile_probabilities": ".products.terciles",
        "verify": ".verification.verify",
    },
)
