"""Scores of each year of a rollout."""

import numpy as np
import pytest

import xai4land
from xai4land.errors import InputError
from xai4land_land.change.references import change_reference

YEARS = [1960, 1962, 1963]


@pytest.fixture(scope="module")
def world():
    """A part of the sample's history."""
    whole = xai4land.sample("land_history", years=YEARS)
    return whole.isel(
        lat=slice(14), lon=slice(14), lat_fine=slice(112), lon_fine=slice(112)
    ).drop_dims("bnds")


@pytest.fixture(scope="module")
def made(world):
    """Maps from the middle one on, both ways."""
    rule = change_reference("density", world, world.land_cover)
    prior = world.land_cover.isel(time=1)
    return world.ai4land.reconstruct(rule, prior=prior, years=YEARS).compute()


def test_each_year_is_scored_by_itself(world, made):
    """By hand: the share of the area, which is as the cosine of latitude, that is right."""
    scores = made.ai4land.score_years(world.land_cover, 1962)
    assert scores.lead.values.tolist() == [-2, 1]
    assert scores.time.dt.year.values.tolist() == [1960, 1963]
    weights = np.cos(np.deg2rad(made.lat.values))[:, None]
    for year in (1960, 1963):
        right = (
            made.land_cover.sel(time=str(year)).values
            == world.land_cover.sel(time=str(year)).values
        )
        expected = np.average(right[0].mean(1), weights=weights[:, 0])
        found = scores.accuracy.sel(source="emulator", time=str(year)).item()
        assert found == pytest.approx(expected, abs=1e-6)


def test_a_map_as_prior_is_the_same_as_its_year(world, made):
    by_year = made.ai4land.score_years(world.land_cover, 1962)
    by_map = made.ai4land.score_years(world.land_cover, world.land_cover.isel(time=1))
    assert by_map.figure_of_merit.equals(by_year.figure_of_merit)


def test_lazy_maps_give_lazy_scores(world, made):
    scores = made.chunk(time=1).ai4land.score_years(world.land_cover, 1962)
    assert scores.accuracy.chunks is not None
    eager = made.ai4land.score_years(world.land_cover, 1962)
    np.testing.assert_allclose(scores.accuracy, eager.accuracy)


def test_there_must_be_another_year(world, made):
    with pytest.raises(InputError, match="no year beside"):
        made.isel(time=[1]).ai4land.score_years(world.land_cover, 1962)
    with pytest.raises(InputError, match="no variable 'cover'"):
        made.ai4land.score_years(world.land_cover, 1962, name="cover")


def test_the_picture_has_a_line_for_each_source(world, made):
    scores = made.ai4land.score_years(world.land_cover, 1962)
    figure = scores.ai4land.plot_years(["accuracy"], classes=["urban"])
    assert [axis.get_title() for axis in figure.axes] == ["accuracy", "IoU of urban"]
    line = figure.axes[0].lines[0]
    assert line.get_xdata().tolist() == [-2, 1]
    assert len(figure.axes[0].lines) == scores.sizes["source"]
    np.testing.assert_allclose(line.get_ydata(), scores.accuracy.isel(source=0))
    with pytest.raises(InputError, match="score_years"):
        made.ai4land.plot_years()
