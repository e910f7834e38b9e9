"""What land cover gives, before the CF checker."""

from __future__ import annotations

import numpy as np
import pytest

import xai4land
from compliance import complaints
from xai4land import open_store, write
from xai4land_land.change.references import change_reference


@pytest.fixture(scope="module")
def outputs():
    planet = xai4land.sample("land", years=[2000])
    truth = planet[["land_cover"]].isel(lat_fine=slice(200, 260), lon_fine=slice(700, 780))
    world = planet.ai4land.reconstruct(probabilities=True, target=truth)
    history = xai4land.sample("land_history", years=[1990, 1991])
    rule = change_reference("density", history, history.land_cover)
    prior = history.land_cover.sel(time="1991")
    rollout = history.ai4land.reconstruct(rule, prior=prior, probabilities=True)
    return {
        "map": world,
        "rollout": rollout,
        "scores of change": rollout.ai4land.evaluate(history.land_cover, prior=prior),
        "scores": world.ai4land.evaluate(truth.land_cover),
        "regridded": xai4land.regrid(planet[["land_cover"]], 1.0, "majority"),
        "means": xai4land.regrid(planet[["urban"]], 10.0),
    }


@pytest.mark.parametrize(
    "kind", ["map", "rollout", "scores", "scores of change", "regridded", "means"]
)
def test_the_checker_finds_no_error(outputs, kind, tmp_path):
    path = write(outputs[kind], tmp_path / "made.nc", progress=False)
    assert not complaints(path, "lenient")
    made, again = outputs[kind].compute(), open_store(path).compute()
    for name in made.coords:
        if made[name].dtype.kind in "UO":
            assert again[name].values.tolist() == made[name].values.tolist()
        for named in made[name].attrs.get("bounds", "").split():
            assert named in made.variables


def test_scores_say_what_they_are(outputs):
    scores = outputs["scores"]
    assert scores.attrs["Conventions"].startswith("CF-1.")
    for name, array in scores.data_vars.items():
        assert set(array.attrs) == {"long_name", "units"}, name
        assert array.attrs["units"] == ("%" if name == "area_bias" else "1")
    for name, coord in scores.coords.items():
        assert "long_name" in coord.attrs, name
    assert np.isfinite(scores.accuracy).all()
