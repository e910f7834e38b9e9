"""Means over areas and regions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from conftest import globe
from xai4land import InputError
from xai4land_seasonal.data.areas import area_mean, region_mean, region_weights
from xai4land_seasonal.data.regions import REGIONS


def test_areas_and_regions_are_weighted_by_overlap():
    field = globe(18, 36, values=np.ones((18, 36)))
    assert float(area_mean(field)) == pytest.approx(1)
    lat = xr.ones_like(field) * field.lat
    fine = globe(180, 360)
    for name, (south, north, west, east) in REGIONS.items():
        area = (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south))) * (east - west)
        assert float(region_weights(field, name).sum()) == pytest.approx(area), name
        turned = fine.assign_coords(lon=("lon", fine.lon.values % 360, fine.lon.attrs)).sortby(
            "lon"
        )
        assert float(region_mean(turned, name)) == pytest.approx(float(region_mean(fine, name)))
    assert float(region_mean(lat, "nino34")) == pytest.approx(0, abs=1e-12)
    with pytest.raises(InputError, match="expected one of"):
        region_mean(field, "atlantis")
    with pytest.raises(InputError, match="outside the grid"):
        region_mean(field.isel(lat=slice(3)), "nino34")
