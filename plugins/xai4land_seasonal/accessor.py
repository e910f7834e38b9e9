"""``ds.seasonal``: the functions of this package as methods."""

from __future__ import annotations

import xai4land_seasonal as seasonal
from xai4land.accessors import Accessor, Method

__all__ = ["SeasonalAccessor"]


class SeasonalAccessor(Accessor):
    """Seasonal anomalies, months ahead, and how good they are.

    Each method is the function of the same name in ``xai4land_seasonal`` or ``xai4land``, with
    the dataset as its first argument. A DataArray has those that take one variable.
    """

    calibrate = Method(lambda: seasonal.calibrate, arrays="convert")
    combine = Method(lambda: seasonal.combine)
    fit = Method(lambda: seasonal.fit, arrays="convert")
    forecast = Method(lambda: seasonal.forecast, arrays="convert")
    hindcast_seasons = Method(lambda: seasonal.hindcast_seasons, arrays="convert")
    issue = Method(lambda: seasonal.issue, arrays="convert")
    plot = Method(lambda: seasonal.plot, arrays="convert")
    plot_members = Method(lambda: seasonal.plot_members, arrays="convert")
    plot_plume = Method(lambda: seasonal.plot_plume, arrays="convert")
    plot_reliability = Method(lambda: seasonal.plot_reliability)
    plot_scores = Method(lambda: seasonal.plot_scores)
    plot_skill_by_lead = Method(lambda: seasonal.plot_skill_by_lead)
    rebase = Method(lambda: seasonal.rebase, arrays="convert")
    report = Method(lambda: seasonal.report, arrays="convert")
    seasonal_means = Method(lambda: seasonal.seasonal_means, arrays="convert")
    summarise = Method(lambda: seasonal.summarise)
    tercile_probabilities = Method(lambda: seasonal.tercile_probabilities, arrays="convert")
    verify = Method(lambda: seasonal.verify, arrays="convert")
