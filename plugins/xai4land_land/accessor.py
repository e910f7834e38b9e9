"""``ds.ai4land``: the functions of this package as methods."""

from __future__ import annotations

import xai4land_land as land
from xai4land.accessors import Accessor, Method

__all__ = ["LandAccessor"]


class LandAccessor(Accessor):
    """Land use and land cover from coarse states.

    Each method is the function of the same name in ``xai4land_land`` or ``xai4land``, with the
    dataset as its first argument. A DataArray has those that take one variable.
    """

    check_clm_surface = Method(lambda: land.check_clm_surface)
    check_ifs_cover = Method(lambda: land.check_ifs_cover)
    coast_distance = Method(lambda: land.coast_distance, arrays="pass")
    evaluate = Method(lambda: land.evaluate, arrays="convert")
    fit = Method(lambda: land.fit)
    fit_leaf_area = Method(lambda: land.fit_leaf_area)
    flip_rates = Method(lambda: land.flip_rates, arrays="convert")
    form_demand = Method(lambda: land.form_demand)
    form_hilda_states = Method(lambda: land.form_hilda_states)
    fractions = Method(lambda: land.fractions, arrays="convert")
    leaf_area = Method(lambda: land.leaf_area)
    plot = Method(lambda: land.plot, arrays="convert")
    plot_calibration = Method(lambda: land.plot_calibration)
    plot_change = Method(lambda: land.plot_change, arrays="convert")
    plot_scores = Method(lambda: land.plot_scores)
    plot_years = Method(lambda: land.plot_years)
    reconstruct = Method(lambda: land.reconstruct)
    score_leaf_area = Method(lambda: land.score_leaf_area)
    score_structure = Method(lambda: land.score_structure, arrays="convert")
    score_years = Method(lambda: land.score_years, arrays="convert")
    states_from_luh2 = Method(lambda: land.states_from_luh2)
    summarise = Method(lambda: land.summarise)
    terrain = Method(lambda: land.terrain, arrays="pass")
    to_clm_surface = Method(lambda: land.to_clm_surface)
    to_ifs_cover = Method(lambda: land.to_ifs_cover)
    to_legend = Method(lambda: land.to_legend, arrays="convert")
