"""Static features from the files that the catalog lists."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xai4land
from xai4land import InputError
from xai4land.catalogs import open_search
from xai4land.grids.grid import Grid
from xai4land_land import prepare_koppen, prepare_population, prepare_soil

RUBEL = (
    "Af Am As Aw BSh BSk BWh BWk Cfa Cfb Cfc Csa Csb Csc Cwa Cwb Cwc Dfa Dfb Dfc Dfd Dsa Dsb Dsc "
    "Dsd Dwa Dwb Dwc Dwd EF ET"
)


def as_map(values, **attrs) -> xr.DataArray:
    rows, columns = np.shape(values)
    coords = {"lat": 9.5 - np.arange(rows), "lon": np.arange(columns) + 0.5}
    return xr.DataArray(values, coords, ("lat", "lon"), attrs=attrs)


@pytest.mark.parametrize("lazy", [False, True])
def test_climate_zones_get_the_codes_of_the_emulators(lazy):
    beck = as_map(np.arange(31, dtype="u1")[None])
    found = prepare_koppen(beck.chunk(lon=7) if lazy else beck)
    assert bool(found.koppen.chunks) == lazy
    codes = found.koppen.values[0]
    assert codes[0] == 32
    names = dict(
        zip(
            found.koppen.attrs["flag_values"].tolist(),
            found.koppen.attrs["flag_meanings"].split(),
            strict=True,
        )
    )
    assert [names[code] for code in range(1, 32)] == RUBEL.split()
    # Four classes whose codes stand in the legend of Beck et al. (2023).
    for code, name in ((1, "Af"), (4, "BWh"), (15, "Cfb"), (30, "EF")):
        assert names[codes[code]] == name
    assert len(set(codes.tolist())) == 31


def test_zones_of_plants_read_the_prepared_classes():
    planet = xai4land.sample("land", years=[2000])
    coarse = planet[["land_cover"]].isel(lat_fine=slice(0, 80), lon_fine=slice(0, 80))
    coarse = coarse.ai4land.fractions(5.0).rename(lat_fine="lat", lon_fine="lon")
    lat, lon = coarse.lat, coarse.lon
    zone = xr.DataArray(np.full((lat.size, lon.size), 29, "u1"), {"lat": lat, "lon": lon})
    plants = coarse.ai4land.to_legend("clm5", koppen=prepare_koppen(zone).koppen)
    fractions = plants.land_cover_fraction
    assert float(fractions.sel(land_cover_class=4).max()) == 0  # no tropical tree in ET
    assert float(fractions.sel(land_cover_class=14).max()) == 0  # and no C4 grass


def test_soil_is_that_of_its_units_or_of_the_files():
    raw = as_map([[100.0, np.nan], [0.0, 1000.0]])
    found = prepare_soil(xr.Dataset({"clay": raw, "sand": raw.chunk(lat=1), "soc": raw}))
    np.testing.assert_allclose(found.clay, [[0.1, np.nan], [0, 1]])
    np.testing.assert_allclose(found.organic, [[10, np.nan], [0, 100]])
    assert found.sand.chunks
    percent = prepare_soil(xr.Dataset({"clay": (raw / 10).assign_attrs(units="%")}))
    np.testing.assert_allclose(percent.clay, found.clay)
    with pytest.raises(InputError) as error:
        prepare_soil(xr.Dataset({"clay": raw - 32768, "sand": raw.assign_attrs(units="K")}))
    assert len(error.value.problems) == 2
    with pytest.raises(InputError, match="no variables clay, sand, soc"):
        prepare_soil(xr.Dataset())


def test_people_become_a_density_on_the_sphere():
    people = as_map(np.full((3, 4), 1000.0))
    found = prepare_population(people).population
    grid = Grid.of(people)
    for k, lat in enumerate(grid.lat.values):
        edges = np.sin(np.deg2rad([lat + 0.5, lat - 0.5]))
        area = 6371.0**2 * np.deg2rad(1) * (edges[0] - edges[1])
        np.testing.assert_allclose(found[k], np.log1p(1000 / area), rtol=1e-5)
    with pytest.raises(InputError, match="-200"):
        prepare_population(people.where(people.lat > 8, -200))


def test_what_is_no_file_of_zones_is_refused():
    with pytest.raises(InputError, match="0 to 99"):
        prepare_koppen(as_map(np.array([[0, 99]], "u1")))
    with pytest.raises(InputError, match="without masking"):
        prepare_koppen(as_map(np.array([[0.0, np.nan]])))


def test_the_catalog_says_how_each_static_feature_is_prepared():
    land = xai4land.open_catalog("land")
    for variable, function in (
        ("clay", "prepare_soil"),
        ("sand", "prepare_soil"),
        ("soc", "prepare_soil"),
        ("koppen", "prepare_koppen"),
        ("population", "prepare_population"),
        ("z", "terrain"),
        ("primf", "open_luh2"),
    ):
        found = land.search(variable_id=variable).df
        assert len(found)
        assert found.preparation.str.contains(function).all()
    with pytest.raises(InputError, match="GeoTIFF; prefetch it"):
        open_search(land.search(variable_id="clay"))
