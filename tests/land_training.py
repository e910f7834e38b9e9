"""A legend of three classes, and a short training."""

from __future__ import annotations

from xai4land_land import Legend, fit
from xai4land_land.legends import LandClass

WOOD = Legend(
    "wood",
    tuple(
        LandClass(k, name, colour)
        for k, (name, colour) in enumerate(
            zip(("wood", "field", "town"), ("#00ff00", "#ffff00", "#ff0000"), strict=True)
        )
    ),
    ({"wood": ("wood",), "field": ("field",), "town": ("town",)},),
)
QUICK = {
    "legend": WOOD,
    "window": 24,
    "parameters": {"widths": [8, 16]},
    "batch_size": 4,
    "epochs": 2,
    "steps": 3,
    "progress": False,
}


def train(world, **how):
    truth = world.truth
    return fit(world.drop_vars("truth"), truth, **{**QUICK, **how})
