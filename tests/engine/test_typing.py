"""What type checkers and editors know of accessors; `make lint` runs mypy on this file."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import xarray as xr

import xai4land

if TYPE_CHECKING:
    from xai4land_land.accessor import LandAccessor
    from xai4land_seasonal.accessor import SeasonalAccessor


def test_the_type_of_an_accessor_is_known_and_is_that_of_run_time() -> None:
    from xai4land_land.accessor import LandAccessor as Land
    from xai4land_seasonal.accessor import SeasonalAccessor as Seasonal

    data = xai4land.with_accessors(xr.Dataset({"tas": ("x", [1.0])}))
    if TYPE_CHECKING:
        assert_type(data.ai4land, LandAccessor)
        assert_type(data.isel(x=0).seasonal, SeasonalAccessor)  # xarray's methods keep the type
        array = xai4land.with_accessors(xr.DataArray([1.0]))
        assert_type(array.isel(dim_0=0).ai4land, LandAccessor)
    assert type(data.ai4land) is Land
    assert type(data.isel(x=0).seasonal) is Seasonal


def test_methods_have_the_signatures_of_their_functions() -> None:
    if TYPE_CHECKING:
        data = xai4land.with_accessors(xr.Dataset())
        assert_type(data.ai4land.reconstruct(target=0.25, years=2000), xr.Dataset)
        assert_type(data.seasonal.forecast("DJF", members=5), xr.Dataset)
        data.ai4land.reconstruct(targets=0.25)  # type: ignore[call-arg]
        data.ai4land.reconstruct(chunks="all")  # type: ignore[arg-type]
        data.ai4land.rebuild()  # type: ignore[attr-defined]
    assert xai4land.with_accessors(xr.Dataset()).ai4land.reconstruct.__name__ == "reconstruct"
