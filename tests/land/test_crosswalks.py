"""Legends of the models: cross-walks as data, on maps and on fractions."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from legend_covers import make_cover, shares_of

from xai4land import InputError
from xai4land_land import LAND_STATES, Crosswalk, CrosswalkRow, to_legend
from xai4land_land.crosswalks.classes import class_names, find_source
from xai4land_land.crosswalks.ways import find_way, list_crosswalks
from xai4land_land.leaf.cover import CROSSWALK

IGBP = class_names("igbp")


def igbp_map(codes) -> xr.DataArray:
    return xr.DataArray(
        np.array(codes, np.uint8),
        {"lat": [10.0, 0.0], "lon": [0.0, 10.0, 20.0]},
        ("lat", "lon"),
        "land_cover",
        {"flag_values": np.arange(17, dtype="u1"), "flag_meanings": " ".join(IGBP)},
    )


def test_each_row_of_the_packages_tables_says_who_says_so():
    tables = list_crosswalks()
    assert len(tables) >= 12
    for table in tables:
        assert all(len(row.source) >= 8 for row in table.rows), table.name


def test_the_tables_agree_with_the_legends_of_the_emulators():
    groups = find_way("igbp", "land_states").shares()
    for one in LAND_STATES.classes:
        for name in (*one.merges, *({one.name} & set(IGBP))):
            assert groups[name] == {one.name: 1}
    leaves = find_way("hilda8", "land_states").shares()
    assert all(leaves[name] == {CROSSWALK.get(name, name): 1} for name in leaves)


def test_a_map_gets_the_codes_of_the_other_legend_and_missing_pixels_stay_missing():
    map_ = igbp_map([[0, 1, 8], [12, 13, 255]])
    made = to_legend(map_.to_dataset(), "ipcc").land_cover
    assert made.values.tolist() == [[0, 1, 1], [2, 5, 255]]
    assert made.attrs["flag_meanings"].split()[5] == "settlements"
    assert made.attrs["crosswalk"] == "igbp-to-ipcc"
    assert "IPCC 2006" in made.attrs["crosswalk_sources"]
    lazy = to_legend(map_.chunk(lat=1).to_dataset(), "ipcc").land_cover
    assert lazy.chunks is not None
    xr.testing.assert_equal(lazy.compute(), made)
    assert map_.ai4land.to_legend("land_states").land_cover.values.tolist() == [
        [0, 1, 2],
        [3, 5, 255],
    ]


def test_a_map_whose_classes_would_be_divided_is_refused_with_the_way_out():
    map_ = igbp_map([[0, 1, 8], [12, 13, 14]]).to_dataset()
    with pytest.raises(InputError, match=r"divides cropland_natural_mosaic; bring fractions"):
        to_legend(map_, "hilda8")
    with pytest.raises(InputError, match=r"cannot be brought to 'clm5'.*fractions"):
        to_legend(map_, "clm5")


def test_fractions_are_shared_out_as_the_table_says():
    cover = make_cover(
        ["water", "cropland", "crop_mosaic", "nonforest_natural"], [0.1, 0.3, 0.4, 0.2]
    )
    made = to_legend(cover, "hilda8")
    assert shares_of(made) == {"cropland": 0.5, "grass_shrub": 0.4, "water": 0.1}
    assert made.land_cover_fraction.attrs["legend"] == "hilda8"


def test_probabilities_and_map_are_brought_together():
    cover = make_cover(IGBP, np.eye(17)[[1, 1, 1, 1]].T.reshape(17, 2, 2))
    data = cover.rename(land_cover_fraction="land_cover_probability")
    data["land_cover"] = igbp_map([[1, 1, 0], [1, 1, 0]]).isel(lon=slice(2))
    made = to_legend(data, "ipcc")
    assert (made.land_cover == 1).all()
    assert (made.land_cover_probability.sel(land_cover_class=1) == 1).all()
    assert set(to_legend(data, "hilda8").data_vars) == {"land_cover_probability"}


def test_a_way_over_two_tables_is_both_in_turn():
    names = class_names("esa_cci")
    values = np.random.default_rng(0).dirichlet(np.ones(len(names)), 4).T.reshape(-1, 2, 2)
    cover = make_cover(names, values)
    direct = to_legend(cover, "hilda8")
    stepwise = to_legend(to_legend(cover, "igbp"), "hilda8")
    np.testing.assert_allclose(direct.land_cover_fraction, stepwise.land_cover_fraction)
    assert direct.land_cover_fraction.attrs["crosswalk"] == "esa_cci-to-igbp, igbp-to-hilda8"


def test_hilda_pluss_own_codes_are_a_legend_too():
    names = ["urban", "cropland", "pasture_rangeland", "forest_unknown_other", "forest_mixed"]
    assert find_source(names) == "hilda_plus"
    cover = make_cover(names, [0.1, 0.1, 0.2, 0.3, 0.3])
    assert shares_of(to_legend(cover, "ipcc"))["forest_land"] == 0.6


def test_a_legend_that_cannot_be_reached_is_refused_with_what_can():
    cover = make_cover(class_names("land_states"), np.full(8, 1 / 8))
    with pytest.raises(
        InputError, match=r"'land_states' to 'igbp'.*leads to .*hilda8.*from esa_cci"
    ):
        to_legend(cover, "igbp")
    with pytest.raises(InputError, match=r"no legend 'corine', expected one of hilda8"):
        to_legend(cover, "corine")
    with pytest.raises(InputError, match="already"):
        to_legend(cover, "land_states")
    with pytest.raises(InputError, match=r"'land_states' is the nearest, without moor"):
        to_legend(make_cover(["crop_mosaic", "moor"], [0.5, 0.5]), "ipcc")
    with pytest.raises(InputError, match="neither fractions"):
        to_legend(xr.Dataset({"tas": 1.0}), "ipcc")


def test_a_cross_walk_of_ones_own_is_one_small_file(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "source_class,target_class,share,source\n"
        "forest,woods,1,my own\nmeadow,woods,0.25,my own\nmeadow,open,0.75,my own\n"
    )
    cover = make_cover(["forest", "meadow"], [0.6, 0.4])
    made = to_legend(cover, path)
    assert shares_of(made) == {"woods": 0.7, "open": 0.3}
    assert made.land_cover_class.attrs["flag_meanings"] == "woods open"
    xr.testing.assert_identical(
        to_legend(cover, str(path)).land_cover_fraction, made.land_cover_fraction
    )
    with pytest.raises(InputError, match="no row for moor, which the data have"):
        to_legend(make_cover(["forest", "moor"], [0.5, 0.5]), path)


def test_all_that_is_wrong_in_a_cross_walk_is_said_at_once(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(
        "# from: land_states\n# to: ipcc\nsource_class,target_class,share,source\n"
        "water,water,1,me\nforest,forest_land,0.5,me\nforest,woodland,0.4,me\n"
        "cropland,cropland,1.5,me\ncropland,other_land,-0.5,me\nmoor,grassland,1,me\n"
        "barren,other_land,0.5,me\nbarren,other_land,0.5,me\n"
    )
    with pytest.raises(InputError) as caught:
        Crosswalk.read(path)
    said = "\n".join(caught.value.problems)
    for part in (
        "shares of forest sum to 0.9, expected 1",
        "cropland -> cropland has the share 1.5",
        "cropland -> other_land has the share -0.5",
        "'ipcc' has no class woodland",
        "'land_states' has no class moor",
        "no row for nonforest_natural, crop_mosaic, urban, ice",
        "barren -> other_land comes twice",
    ):
        assert part in said, part
    assert len(caught.value.problems) == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no source_class, target_class, share, source"),
        ("source_class,target_class,share,source\na,b,half,me\na,c,1,\n", "2 problems"),
        ("source_class,target_class,share,source\n", "has no rows"),
        ("# to: corine\nsource_class,target_class,share,source\na,b,1,me\n", "no legend 'corine'"),
        ("source_class,target_class,share,source\na,b,nan,me\n", "share nan, expected 0 to 1"),
    ],
)
def test_files_that_are_no_cross_walk_are_refused(text, said, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=said):
        Crosswalk.read(path)


def test_a_file_that_is_not_there_is_said():
    with pytest.raises(InputError, match=r"nowhere\.csv cannot be read"):
        to_legend(make_cover(["a"], [1.0]), "nowhere.csv")


shares = st.lists(st.integers(0, 20), min_size=4, max_size=4).filter(any)


@given(
    table=st.lists(shares, min_size=3, max_size=3),
    cell=st.lists(st.integers(1, 50), min_size=3, max_size=3),
)
def test_any_cross_walk_keeps_the_sum_and_is_a_product(table, cell):
    rows = [
        CrosswalkRow(f"s{i}", f"t{j}", part / sum(parts), "any")
        for i, parts in enumerate(table)
        for j, part in enumerate(parts)
    ]
    fractions = [part / sum(cell) for part in cell]
    made = to_legend(make_cover(["s0", "s1", "s2"], fractions), Crosswalk("any", rows))
    found = made.land_cover_fraction.isel(lat=0, lon=0).values
    slow = [0.0] * 4
    for i, fraction in enumerate(fractions):
        for j, part in enumerate(table[i]):
            slow[j] += fraction * part / sum(table[i])
    np.testing.assert_allclose(found, slow, atol=1e-12)
    assert abs(found.sum() - 1) < 1e-12


@given(order=st.permutations(range(5)), codes=st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_there_and_back_by_whole_classes_gives_the_map_back(order, codes):
    there = Crosswalk("there", [CrosswalkRow(f"a{i}", f"b{order[i]}", 1, "x") for i in range(5)])
    back = Crosswalk(
        "back", [CrosswalkRow(r.target_class, r.source_class, 1, "x") for r in there.rows]
    )
    map_ = xr.DataArray(
        np.array(codes, np.uint8).reshape(2, 2) + 1,
        {"lat": [10.0, 0.0], "lon": [0.0, 10.0]},
        ("lat", "lon"),
        "land_cover",
        {"flag_values": np.arange(1, 6), "flag_meanings": "a0 a1 a2 a3 a4"},
    )
    returned = to_legend(to_legend(map_.to_dataset(), there), back).land_cover
    np.testing.assert_array_equal(returned, map_)
    assert there.then(back).shares() == {f"a{i}": {f"a{i}": 1} for i in range(5)}
