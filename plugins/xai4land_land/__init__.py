"""Land use and land cover, as the accessor ``ds.ai4land`` and as functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xai4land.lazy import import_lazily

if TYPE_CHECKING:
    from xai4land.training.settings import MapSettings
    from xai4land_land.change.references import change_reference
    from xai4land_land.coast import coast_distance
    from xai4land_land.crosswalks.areas import fractions
    from xai4land_land.crosswalks.converting import to_legend
    from xai4land_land.crosswalks.table import Crosswalk, CrosswalkRow
    from xai4land_land.fitting import fit
    from xai4land_land.flips import flip_rates
    from xai4land_land.hilda import form_hilda_states
    from xai4land_land.landcover import form_demand, reconstruct
    from xai4land_land.leaf.fitting import fit_leaf_area
    from xai4land_land.leaf.mapping import leaf_area
    from xai4land_land.leaf.references import leaf_area_reference
    from xai4land_land.leaf.scores import score_leaf_area
    from xai4land_land.legends import HILDA, LAND_STATES, Legend
    from xai4land_land.luh2 import states_from_luh2
    from xai4land_land.luh2_files import open_luh2
    from xai4land_land.models.clm import check_clm_surface, to_clm_surface
    from xai4land_land.models.ifs import check_ifs_cover, to_ifs_cover
    from xai4land_land.oracles import place_by_truth, place_randomly
    from xai4land_land.plots import plot, plot_calibration, plot_change, plot_scores
    from xai4land_land.relief import terrain
    from xai4land_land.scores import evaluate, summarise
    from xai4land_land.statics import prepare_koppen, prepare_population, prepare_soil
    from xai4land_land.structure import score_structure
    from xai4land_land.yearly import plot_years, score_years

__all__ = [
    "HILDA",
    "LAND_STATES",
    "Crosswalk",
    "CrosswalkRow",
    "Legend",
    "MapSettings",
    "change_reference",
    "check_clm_surface",
    "check_ifs_cover",
    "coast_distance",
    "evaluate",
    "fit",
    "fit_leaf_area",
    "flip_rates",
    "form_demand",
    "form_hilda_states",
    "fractions",
    "leaf_area",
    "leaf_area_reference",
    "open_luh2",
    "place_by_truth",
    "place_randomly",
    "plot",
    "plot_calibration",
    "plot_change",
    "plot_scores",
    "plot_years",
    "prepare_koppen",
    "prepare_population",
    "prepare_soil",
    "reconstruct",
    "score_leaf_area",
    "score_structure",
    "score_years",
    "states_from_luh2",
    "summarise",
    "terrain",
    "to_clm_surface",
    "to_ifs_cover",
    "to_legend",
]

__getattr__, __dir__ = import_lazily(
    __name__,
    {
        "Crosswalk": ".crosswalks.table",
        "HILDA": ".legends",
        "LAND_STATES": ".legends",
        "Legend": ".legends",
        "MapSettings": "xai4land.training.settings",
        "CrosswalkRow": ".crosswalks.table",
        "change_reference": ".change.references",
        "check_clm_surface": ".models.clm",
        "check_ifs_cover": ".models.ifs",
        "coast_distance": ".coast",
        "evaluate": ".scores",
        "fit": ".fitting",
        "fit_leaf_area": ".leaf.fitting",
        "flip_rates": ".flips",
        "form_demand": ".landcover",
        "form_hilda_states": ".hilda",
        "fractions": ".crosswalks.areas",
        "leaf_area": ".leaf.mapping",
        "leaf_area_reference": ".leaf.references",
        "open_luh2": ".luh2_files",
        "place_by_truth": ".oracles",
        "place_randomly": ".oracles",
        "plot": ".plots",
        "plot_calibration": ".plots",
        "plot_change": ".plots",
        "plot_scores": ".plots",
        "plot_years": ".yearly",
        "prepare_koppen": ".statics",
        "prepare_population": ".statics",
        "prepare_soil": ".statics",
        "reconstruct": ".landcover",
        "score_leaf_area": ".leaf.scores",
        "score_structure": ".structure",
        "score_years": ".yearly",
        "states_from_luh2": ".luh2",
        "summarise": ".scores",
        "terrain": ".relief",
        "to_clm_surface": ".models.clm",
        "to_ifs_cover": ".models.ifs",
        "to_legend": ".crosswalks.converting",
    },
)
