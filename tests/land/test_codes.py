"""Codes of classes: signed and unsigned, missing and unknown."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import xarray as xr

import xai4land
from conftest import coordinate
from xai4land import InputError
from xai4land_land import HILDA, evaluate
from xai4land_land.fitting import fit

NAMES = "wood field town"
CODES = np.array([10, 130, 220], "u1")


def make_map(values, **attrs):
    coords = {
        "lat": coordinate("lat", np.array([0.5, -0.5])),
        "lon": coordinate("lon", 0.5 + np.arange(4)),
    }
    attrs = {"flag_values": CODES, "flag_meanings": NAMES, **attrs}
    return xr.DataArray(np.asarray(values), coords, ("lat", "lon"), attrs=attrs)


TRUTH = np.array([[10, 130, 220, 130], [10, 10, 130, 220]], "u1")
MAP = make_map(np.array([[10, 130, 220, 220], [10, 130, 130, 220]], "u1"))


def accuracy(truth):
    return float(evaluate(MAP.to_dataset(name="land_cover"), truth).accuracy[0])


def test_signed_flags_of_unsigned_data_are_understood(tmp_path):
    """As xarray decodes files whose attributes are signed bytes, masked or not."""
    signed = CODES.view("i1")
    expected = accuracy(make_map(TRUTH))
    assert expected == pytest.approx(6 / 8)
    for flags in (CODES, signed, signed.astype(int), signed.tolist()):
        assert accuracy(make_map(TRUTH, flag_values=flags)) == expected
    floats = make_map(TRUTH, flag_values=signed)
    masked = floats.where(floats != 10)
    assert accuracy(masked) == accuracy(make_map(TRUTH).where(TRUTH != 10)) == pytest.approx(4 / 5)
    stored = make_map(TRUTH.view("i1"), flag_values=signed, _Unsigned="true")
    stored.to_dataset(name="cover").to_netcdf(tmp_path / "cover.nc")
    read = xr.open_dataset(tmp_path / "cover.nc").cover
    assert read.dtype == np.uint8
    assert accuracy(read) == expected


def test_unsigned_flags_of_signed_data_are_understood():
    assert accuracy(make_map(TRUTH.view("i1"), flag_values=CODES)) == pytest.approx(6 / 8)


def test_flags_that_cannot_be_the_datas_are_refused():
    for flags, words in (
        ([10, 130, 300], "do not fit its type uint8"),
        ([10, -126, 130], "one code twice"),
        ([10.5, 1, 2], "whole numbers"),
    ):
        with pytest.raises(InputError, match=words):
            accuracy(make_map(TRUTH, flag_values=flags))


@pytest.mark.parametrize("lazy", [False, True])
def test_codes_that_no_flag_names_are_told_with_their_share(lazy):
    truth = TRUTH.copy()
    truth[0, 0], truth[1, 3] = 77, 255  # unknown, and missing
    data = MAP.to_dataset(name="land_cover")
    if lazy:
        scores = evaluate(data.chunk(lat=1), make_map(truth)).compute()
    else:
        with pytest.warns(UserWarning, match=r"the truth has codes 77 that .* in 14\.29%"):
            scores = evaluate(data, make_map(truth))
    assert float(scores.left_out[0]) == pytest.approx(1 / 7)
    assert float(scores.accuracy[0]) == pytest.approx(4 / 6)
    assert scores.ai4land.summarise().loc["emulator", "left_out"] == pytest.approx(1 / 7)


def test_nothing_is_said_where_all_codes_are_known():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = evaluate(MAP.to_dataset(name="land_cover"), make_map(TRUTH))
    assert float(scores.left_out[0]) == 0
    assert "left_out" not in scores.ai4land.summarise()


def test_declared_fill_values_are_missing():
    truth = TRUTH.copy()
    truth[0, 0] = 99
    for name in ("_FillValue", "missing_value"):
        scores = evaluate(
            MAP.to_dataset(name="land_cover"), make_map(truth, **{name: np.uint8(99)})
        )
        assert float(scores.left_out[0]) == 0


def test_a_map_with_a_dimension_that_nobody_knows_is_refused():
    members = MAP.expand_dims(member=2).to_dataset(name="land_cover")
    with pytest.raises(InputError, match="the map has a dimension 'member'"):
        evaluate(members, make_map(TRUTH))


def test_fit_learns_from_unsigned_codes_and_tells_of_unknown_ones():
    planet = xai4land.sample("land", years=[2000])
    codes = np.array([0, 10, 50, 130, 190, 200, 210, 220], "u1")
    truth = planet.land_cover.copy(data=codes[np.minimum(planet.land_cover.values, 7)])
    truth.attrs["flag_meanings"] = " ".join(c.name for c in HILDA.classes)
    quick = {
        "epochs": 1,
        "steps": 1,
        "batch_size": 1,
        "window": 32,
        "parameters": {"widths": [8, 16]},
        "progress": False,
    }
    states = planet.drop_vars("land_cover")
    made = [
        fit(states, truth.assign_attrs(flag_values=flags), **quick)
        for flags in (codes, codes.view("i1"))
    ]
    assert made[0].sha256 == made[1].sha256
    holed = truth.copy(data=np.where(truth.values == 220, np.uint8(221), truth.values))
    with pytest.warns(UserWarning, match="codes 221 that no class takes"):
        fit(states, holed.assign_attrs(flag_values=codes), **quick)
