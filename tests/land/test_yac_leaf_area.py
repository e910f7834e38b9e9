"""Leaf area, made month by month of the climate and the land cover of a model coupled by YAC."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
import yaml
from test_leaf_area import make_climate, make_cover

from xai4land.coupling import Stepper
from xai4land_land import fit_leaf_area
from xai4land_land.leaf.cover import cover_fractions
from yac_runs import conserve, couple, edges, long, run, with_yac, write_couplings

pytestmark = [long, with_yac]
REGION, SHAPE, MONTHS = (0, -18, 40, 18), (12, 16), 4
LAND = ("land", "land_grid")
CELLS, PIXELS = ("xai4land", "xai4land_cells"), ("xai4land", "xai4land_pixels")


@pytest.fixture
def folder(tmp_path):
    """Write the files of a run of four months in a leap year."""
    climate, cover = make_climate(years=(1999, 2000)), make_cover((2000,))
    fine = climate.tas.interp(lat=cover.lat, lon=cover.lon)
    truth = (fine.clip(270, 300) / 100).where(cover.land_cover.isel(time=0, drop=True) > 0, 0)
    truth = truth.sel(time="2000").astype("f4").rename("leaf_area_index").assign_attrs(units="1")
    leaves = fit_leaf_area(
        cover, climate, truth, epochs=1, steps=2, batch_size=1, window=8, progress=False
    )
    leaves.save(tmp_path / "leaves.safetensors")
    coarse = climate.rename(lat="lat_c", lon="lon_c")
    shares = cover_fractions(cover, leaves.card.outputs)
    like = coarse.isel(time=0, drop=True).assign(
        {name: share.isel(time=0, drop=True) for name, share in shares.items()}
    )
    like.to_netcdf(tmp_path / "like.nc")
    coarse.sel(time=slice("1999-02", "1999-12")).to_netcdf(tmp_path / "before.nc")

    rng = np.random.default_rng(0)
    tas = 288 + 10 * rng.normal(size=(MONTHS, SHAPE[0] * SHAPE[1]))
    np.savez(
        tmp_path / "prescribed.npz",
        climate=np.stack([tas, rng.gamma(2, 2e-5, tas.shape)], 1),
        shares=rng.dirichlet(np.ones(len(shares) + 1), tas.shape)[..., :-1].swapaxes(1, 2),
    )
    settings = {
        "emulator": "leaves.safetensors",
        "like": "like.nc",
        "history": "before.nc",
        "start": "2000-01",
        "end": "2000-05",
        "step": "month",
        "checkpoint": "state.safetensors",
        "yac": {
            "couplings": "couplings.yaml",
            "inputs": {"climate": ["tas", "pr"], "shares": list(shares)},
            "outputs": {"leaves": "leaf_area_index"},
            "timeout": 60,
        },
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    partly = {"conservative": {"partial_coverage": True, "normalisation": "fracarea"}}
    write_couplings(
        tmp_path / "couplings.yaml",
        *(
            couple(*which, coupling_period="P1M")
            for which in (
                (LAND, CELLS, "climate", "conservative"),
                (LAND, PIXELS, "shares", "conservative"),
                (PIXELS, LAND, "leaves", partly),
            )
        ),
    )
    land = {
        "grid": SHAPE,
        "region": REGION,
        "dates": ["2000-01-01T00:00:00", "2000-05-01T00:00:00"],
        "calendar": "PROLEPTIC_GREGORIAN",
        "step": "P1M",
        "steps": MONTHS,
        "gives": {"climate": 2, "shares": len(shares)},
        "takes": {"leaves": 1},
        "prescribed": str(tmp_path / "prescribed.npz"),
        "takes_first": False,
        "out": str(tmp_path / "land.npz"),
    }
    (tmp_path / "land.json").write_text(json.dumps(land))
    return tmp_path


def test_leaf_area_of_a_coupled_run_is_that_of_an_uncoupled_one(folder):
    done = run(folder, recorded=True)
    assert done.returncode == 0, done.stderr
    land, emulator = np.load(folder / "land.npz"), np.load(folder / "emulator.npz")
    assert emulator["dates"].tolist() == [f"2000-0{month}-01" for month in (1, 2, 3, 4)]
    on, cells = edges(REGION, SHAPE), edges((0, -18, 40, 18), (9, 10))
    given = land["climate"].reshape(MONTHS, 2, *SHAPE)
    np.testing.assert_allclose(
        np.stack([emulator["tas"], emulator["pr"]], 1), conserve(given, on, cells), rtol=1e-12
    )

    like = xr.open_dataset(folder / "like.nc")
    past = xr.open_dataset(folder / "before.nc")
    stepper = Stepper(folder / "leaves.safetensors", like, history=past)
    for step, date in enumerate(emulator["dates"]):
        fields = {name: emulator[name][step] for name in stepper.inputs}
        made = stepper.step(fields, str(date))["leaf_area_index"]
        np.testing.assert_array_equal(emulator["leaf_area_index"][step], made)

    leaves = emulator["leaf_area_index"]
    pixels = edges(
        (8, -leaves.shape[1] / 2, 8 + leaves.shape[2], leaves.shape[1] / 2), leaves.shape[1:]
    )
    known = np.isfinite(leaves)
    weights = conserve(known.astype(float), pixels, on)
    mean = conserve(np.where(known, leaves, 0.0), pixels, on) / np.where(weights, weights, np.nan)
    got = land["leaves"].reshape(MONTHS, *SHAPE)
    assert np.isfinite(got).any()
    np.testing.assert_allclose(got, mean, rtol=1e-6)
