"""Scores of parts of a map: masks, weights, regions; and the calibration of what it says."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import xai4land
from conftest import coordinate
from xai4land import InputError
from xai4land_land import evaluate, plot_calibration, plot_scores, reconstruct, summarise

MEANINGS = {"flag_values": np.array([0, 1, 2], np.uint8), "flag_meanings": "wood field town"}
SHAPE = (20, 30)


def on_grid(values, spacing=1.0):
    values = np.asarray(values)
    lat = coordinate("lat", 10 - spacing * (np.arange(values.shape[0]) + 0.5))
    lon = coordinate("lon", spacing * (np.arange(values.shape[1]) + 0.5))
    return xr.DataArray(values, {"lat": lat, "lon": lon}, ("lat", "lon"))


@pytest.fixture
def rng():
    return np.random.default_rng(1)


@pytest.fixture
def truth(rng):
    return on_grid(rng.choice([0, 1, 2, 255], SHAPE).astype(np.uint8)).assign_attrs(MEANINGS)


@pytest.fixture
def data(rng):
    made = on_grid(rng.choice([0, 1, 2], SHAPE).astype(np.uint8)).assign_attrs(MEANINGS)
    return made.to_dataset(name="land_cover")


def test_a_mask_leaves_the_same_pixels_as_a_truth_without_the_others(data, truth, rng):
    mask = on_grid(rng.random(SHAPE) > 0.5)
    masked = truth.where(mask, 255).astype(np.uint8).assign_attrs(MEANINGS)
    xr.testing.assert_allclose(evaluate(data, truth, where=mask), evaluate(data, masked))


def test_a_mask_of_coarse_cells_holds_for_their_pixels(data, truth, rng):
    cells = rng.random((4, 6)) > 0.5
    fine = on_grid(np.kron(cells, np.ones((5, 5))) > 0)
    coarse = on_grid(cells, 5.0)
    xr.testing.assert_allclose(
        evaluate(data, truth, where=coarse), evaluate(data, truth, where=fine)
    )


def test_nothing_is_scored_beyond_a_mask(data, truth):
    mask = on_grid(np.ones(SHAPE, bool)).isel(lat=slice(0, 7), lon=slice(3, 9))
    part = {"lat": slice(0, 7), "lon": slice(3, 9)}
    inside = evaluate(data.isel(part), truth.isel(part))
    xr.testing.assert_allclose(evaluate(data, truth, where=mask), inside)


def test_weights_count_like_pixels_that_are_there_several_times(data, truth):
    accuracy = evaluate(data, truth, weights=on_grid(np.ones(SHAPE))).accuracy
    known = truth.values != 255
    right = (data.land_cover.values == truth.values)[known]
    assert float(accuracy.sel(source="emulator")) == pytest.approx(right.mean())
    double = np.ones(SHAPE)
    double[:5] = 2
    found = evaluate(data, truth, weights=on_grid(double)).accuracy
    expected = np.average(right, weights=double[known])
    assert float(found.sel(source="emulator")) == pytest.approx(expected)


def test_each_region_is_scored_as_if_it_were_alone(data, truth):
    codes = np.zeros(SHAPE)
    codes[5:12, 20:] = 3
    codes[0, 0] = np.nan
    names = {"flag_values": [0, 3], "flag_meanings": "plain island"}
    regions = on_grid(codes).assign_attrs(names)
    prior = on_grid(np.roll(truth.values, 1)).assign_attrs(MEANINGS)
    every = evaluate(data, truth, prior=prior, factors=(1, 4), blocks=3, regions=regions)
    assert every.region.values.tolist() == ["plain", "island"]
    for name, code in (("plain", 0), ("island", 3)):
        how = {"prior": prior, "factors": (1, 4), "blocks": 3}
        alone = evaluate(data, truth, where=regions == code, **how)
        xr.testing.assert_allclose(every.sel(region=name, drop=True), alone)


def test_a_table_has_a_row_for_each_region_and_source(data, truth):
    regions = on_grid(np.arange(600).reshape(SHAPE) // 300)
    scores = evaluate(data, truth, regions=regions)
    table = summarise(scores)
    assert table.index.tolist() == [("0", "emulator"), ("1", "emulator")]
    alone = summarise(scores.isel(region=1))
    np.testing.assert_allclose(table.loc["1"], alone)
    with pytest.raises(InputError, match=r"isel\(region=0\)"):
        plot_scores(scores)


def test_regions_without_names_are_called_by_their_codes(data, truth):
    codes = np.repeat([[7], [11]], 10, 0) * np.ones((1, 30), int)
    found = evaluate(data, truth, regions=on_grid(codes))
    assert found.region.values.tolist() == ["7", "11"]


def test_parts_are_scored_lazily(data, truth, rng):
    mask, weights = on_grid(rng.random(SHAPE) > 0.5), on_grid(rng.random(SHAPE))
    regions = on_grid(np.arange(600).reshape(SHAPE) // 150)
    plain = evaluate(data, truth, where=mask, weights=weights, regions=regions, blocks=3)
    with xai4land_computes() as computes:
        lazy = evaluate(
            data.chunk(lat=7),
            truth.chunk(lon=9),
            where=mask.chunk(lat=3),
            weights=weights.chunk(lat=4),
            regions=regions,
            blocks=3,
        )
    assert not computes
    assert lazy.accuracy.chunks
    xr.testing.assert_allclose(lazy.compute(), plain)


class xai4land_computes:  # noqa: N801 - reads as a function
    """Count what dask computes."""

    def __enter__(self):
        from dask.callbacks import Callback

        self.found: list[int] = []
        self.callback = Callback(start=lambda graph: self.found.append(1))
        self.callback.register()
        return self.found

    def __exit__(self, *_):
        self.callback.unregister()


def test_areas_of_classes_stand_beside_those_of_the_truth():
    truth = on_grid([[0, 0, 0, 1]]).astype(np.uint8).assign_attrs(MEANINGS)
    made = on_grid([[0, 0, 1, 1]]).astype(np.uint8).assign_attrs(MEANINGS)
    scores = evaluate(made.to_dataset(name="land_cover"), truth).isel(source=0)
    np.testing.assert_allclose(scores.true_area, [0.75, 0.25, 0])
    np.testing.assert_allclose(scores.map_area, [0.5, 0.5, 0])
    np.testing.assert_allclose(scores.area_bias, [-100 / 3, 100, np.nan])
    assert scores.area_bias.units == "%"


def test_every_fault_of_the_parts_is_named_at_once(data, truth):
    with pytest.raises(InputError) as error:
        evaluate(data, truth, where=on_grid(np.ones(SHAPE)), weights=on_grid(-np.ones(SHAPE)))
    assert "where=fraction > 0.5" in str(error.value)
    assert "weights from -1" in str(error.value)


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"where": on_grid(np.zeros(SHAPE, bool))}, "true nowhere"),
        ({"where": on_grid(np.ones(SHAPE, bool)).assign_coords(lat=-50.5 - np.arange(20))}, "no p"),
        ({"where": on_grid(np.ones(SHAPE, bool)).expand_dims(time=2)}, "time"),
        ({"weights": on_grid(np.zeros(SHAPE))}, "not all zero"),
        ({"weights": "area"}, "cell_area"),
        ({"regions": on_grid(np.full(SHAPE, 1.5))}, "1.5"),
        ({"regions": on_grid(np.full(SHAPE, np.nan))}, "no region"),
        ({"regions": "Europe"}, "whole numbers"),
    ],
)
def test_parts_that_are_none_are_refused(data, truth, part, message):
    with pytest.raises(InputError, match=message):
        evaluate(data, truth, **part)


@pytest.fixture(scope="module")
def planet():
    return xai4land.sample("land", years=[2000])


def test_probabilities_are_compared_with_what_is_there(planet):
    world = reconstruct(planet, probabilities=True, precision="float32").compute()
    scores = evaluate(world, planet.land_cover)
    area = np.cos(np.deg2rad(world.lat)) * world.confidence.notnull().isel(time=0)
    truth = planet.land_cover.isel(time=0).values
    chosen = world.isel(time=0)
    name = str(scores.event.values[2])
    number = scores.event.values.tolist().index(name) - 1
    code = int(chosen.land_cover_class[number])
    likely = chosen.land_cover_probability.isel(land_cover_class=number)
    inside = (likely >= 0.5) & (likely < 0.6)
    weight = area.where(inside, 0)
    frequency = float((weight * (truth == code)).sum() / weight.sum())
    found = scores.reliability_frequency.sel(event=name).sel(bin=0.55)
    assert float(found) == pytest.approx(frequency)
    error = scores.calibration_error.sel(event="chosen class")
    parts = []
    place = np.minimum(np.floor(chosen.confidence * 10 + 1e-6), 9)
    right = chosen.land_cover == truth
    for k in range(10):
        weight = area.where(place == k, 0)
        parts.append(abs(float((weight * (chosen.confidence - right)).sum())))
    assert float(error) == pytest.approx(sum(parts) / float(area.sum()), rel=1e-5)
    assert float(error) < 0.05


def test_a_diagram_has_a_line_for_each_class(planet):
    world = reconstruct(planet, probabilities=True)
    figure = plot_calibration(evaluate(world, planet.land_cover))
    assert len(figure.axes[0].get_lines()) == 2 + world.sizes["land_cover_class"]
    with pytest.raises(InputError, match="no reliability"):
        plot_calibration(evaluate(world[["land_cover"]], planet.land_cover))


def test_entropy_and_margin_follow_from_the_probabilities(planet):
    world = reconstruct(planet, probabilities=True, uncertainty=True, precision="float32").compute()
    likely = world.land_cover_probability
    count = likely.sizes["land_cover_class"]
    entropy = -(likely * np.log(likely.where(likely > 0, 1))).sum("land_cover_class", skipna=False)
    np.testing.assert_allclose(world.entropy, entropy / np.log(count), atol=0.0051)
    ordered = np.sort(likely.transpose(..., "land_cover_class").values)
    np.testing.assert_allclose(world.margin, ordered[..., -1] - ordered[..., -2], atol=0.0051)


def test_a_temperature_in_the_card_makes_a_map_less_sure(planet):
    emulator = xai4land.load_emulator("sample-landcover")
    outputs = emulator.card.outputs.model_copy(update={"temperature": 2.0})
    softer = xai4land.Emulator(emulator.card.with_(outputs=outputs), emulator.weights)
    how = {"probabilities": True, "precision": "float32"}
    plain, soft = (reconstruct(planet, one, **how).compute() for one in (emulator, softer))
    assert float(soft.confidence.mean()) < float(plain.confidence.mean()) - 0.01
    # They still agree with the states.
    for one in (plain, soft):
        mean = one.land_cover_probability.mean(("lat", "lon"))
        np.testing.assert_allclose(mean.sum("land_cover_class"), 1, atol=1e-4)
    groups = np.array(emulator.card.outputs.class_groups)
    means = [one.land_cover_probability.mean(("time", "lat", "lon")) for one in (soft, plain)]
    sums = [np.bincount(groups, mean) for mean in means]
    np.testing.assert_allclose(*sums, atol=2e-3)


def test_texture_is_that_of_a_plain_count(data, truth, rng):
    """Boundaries of cells of 5 pixels, and what lies in other cells than in the truth."""
    scores = evaluate(data, truth, cells=5.0, weights=on_grid(np.ones(SHAPE))).sel(
        source="emulator"
    )
    made, known = data.land_cover.values, truth.values != 255
    inside, across = [], []
    for row, column in np.ndindex(SHAPE):
        for down, right in ((1, 0), (0, 1)):
            other = row + down, column + right
            if other[0] >= SHAPE[0] or other[1] >= SHAPE[1]:
                continue
            if not (known[row, column] and known[other]):
                continue
            border = (other[0] // 5, other[1] // 5) != (row // 5, column // 5)
            (across if border else inside).append(made[row, column] != made[other])
    assert float(scores.boundary_density) == pytest.approx(np.mean(inside + across))
    assert float(scores.border_ratio) == pytest.approx(np.mean(across) / np.mean(inside))
    misplaced = 0.0
    for place in np.ndindex(4, 6):
        cell = np.s_[5 * place[0] : 5 * place[0] + 5, 5 * place[1] : 5 * place[1] + 5]
        for k in range(3):
            counts = [((one == k) & known)[cell].sum() for one in (made, truth.values)]
            misplaced += abs(counts[0] - counts[1]) / 2
    assert float(scores.misplaced_area) == pytest.approx(misplaced / known.sum())


def test_texture_depends_on_no_chunks(data, truth):
    plain = evaluate(data, truth, cells=5.0)
    lazy = evaluate(data.chunk(lat=7, lon=4), truth.chunk(lat=3), cells=5.0)
    for name in ("boundary_density", "border_ratio", "misplaced_area", "true_border_ratio"):
        assert lazy[name].chunks is not None
        np.testing.assert_allclose(lazy[name].values, plain[name].values)
    with pytest.raises(InputError, match=r"cells=0\.25"):
        evaluate(data, truth, cells=-1)
