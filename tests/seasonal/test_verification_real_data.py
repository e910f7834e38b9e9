"""Real hindcasts and observations, where they are available."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import SHARED
from xai4land import InputError
from xai4land_seasonal import calibrate, combine, forecast, hindcast_seasons, verify

FOLDER = SHARED / "climate"
NDJ = np.array([30, 31, 31]) / 92
METRICS = ["acc", "rmse", "bias", "crps", "spread_error"]


@pytest.fixture(scope="module")
def seas5() -> xr.Dataset:
    """The hindcast and ERA5 beside it, along members, starts and lead months."""
    path = FOLDER / "seas5_tas_hindcast_15mem_2000-2005.nc"
    if not path.is_file():
        pytest.skip("the SEAS5 hindcast is not beside this checkout (../shared/data/climate)")
    data = xr.open_dataset(path)
    data = data.assign_coords(lon=(data.lon + 180) % 360 - 180).sortby("lon").load()
    data["lat"].attrs = {"standard_name": "latitude", "units": "degrees_north"}
    data["lon"].attrs = {"standard_name": "longitude", "units": "degrees_east"}
    return data


@pytest.fixture(scope="module")
def gistemp() -> xr.Dataset:
    path = FOLDER / "gistemp_2deg_188001-200012.nc"
    if not path.is_file():
        pytest.skip("GISTEMP is not beside this checkout (../shared/data/climate)")
    import cf_xarray  # noqa: F401  (registers .cf)

    return xr.open_dataset(path).cf.guess_coord_axis()[["tas_anomaly"]]


def test_seas5_is_verified_against_era5_by_hand(seas5):
    made = hindcast_seasons(seas5[["tas"]], "NDJ")
    truth = hindcast_seasons(seas5[["tas_obs"]].rename(tas_obs="tas"), "NDJ")
    assert made.season_year.values.tolist() == [2001, 2002, 2003, 2004, 2005, 2006]
    assert str(made.forecast_reference_time.values[0])[:10] == "2000-11-01"
    # Fewer members before 2003 as in later versions of it, and some that never came.
    fewer = made.copy(deep=True)
    fewer.tas[:3, 10:] = np.nan
    fewer.tas[4, 2] = np.nan
    scores = verify(fewer, truth, references={"all members": made}, metrics=METRICS).compute()
    assert scores.acc.shape == (2, 1, 22, 53)
    season, seen = (
        np.einsum("l,...lyx->...yx", NDJ, seas5[name].transpose(..., "lead", "lat", "lon").values)
        for name in ("tas", "tas_obs")
    )  # (member, init, lat, lon) and (init, lat, lon)
    season, seen = season - season.mean((0, 1)), seen - seen.mean(0)
    for label in ("forecast", "all members"):
        members = season.copy()
        if label == "forecast":
            members[10:, :3] = np.nan
            members[2, 4] = np.nan
        one = scores.sel(forecast=label, season="NDJ")
        mean = np.nanmean(members, 0)
        error = mean - seen
        np.testing.assert_allclose(one.rmse, np.sqrt((error**2).mean(0)), atol=1e-4)
        np.testing.assert_allclose(one.bias, error.mean(0), atol=1e-4)
        x, y = mean - mean.mean(0), seen - seen.mean(0)
        acc = (x * y).sum(0) / np.sqrt((x * x).sum(0) * (y * y).sum(0))
        np.testing.assert_allclose(one.acc, acc, atol=1e-4)
        at = (11, 20)
        each = []
        for k in range(6):
            m = members[:, k, *at]
            m = m[np.isfinite(m)]
            pairs = np.abs(m[:, None] - m[None]).sum() / (2 * m.size * (m.size - 1))
            each.append(np.abs(m - seen[k, *at]).mean() - pairs)
        assert float(one.crps[at]) == pytest.approx(np.mean(each), abs=1e-4)


def test_absolute_hindcasts_keep_the_models_bias(seas5):
    both = [
        hindcast_seasons(data, "NDJ", anomalies=False)
        for data in (seas5[["tas"]], seas5[["tas_obs"]].rename(tas_obs="tas"))
    ]
    scores = verify(*both, references={}, metrics=["bias"])
    apart = seas5.tas.mean("member") - seas5.tas_obs
    expected = float(apart.mean(("init", "lat", "lon")).values @ NDJ)
    assert float(scores.bias.mean()) == pytest.approx(expected, abs=1e-3)
    assert abs(expected) > 0.1


def test_observations_that_do_not_cover_seas5_are_refused_by_their_years(seas5, gistemp):
    theirs = hindcast_seasons(seas5[["tas"]], "NDJ")
    ours = forecast(
        gistemp, "NDJ", lead=0, years=range(1998, 2002), members=40, emulator="damped persistence"
    )
    with pytest.raises(InputError, match="NDJ 1881 to NDJ 2000.* share 0 seasons"):
        verify(theirs, gistemp, references={})
    box = ours.sel(lat=slice(48, 27), lon=slice(0, 44))
    assert np.isfinite(calibrate(box, gistemp).tas).all()
    with pytest.raises(InputError, match="share 1 seasons"):
        combine(ours, {"SEAS5": theirs})
