"""Maps that are drawn: margins, patches, invariance, and members with a past of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr
from dask.callbacks import Callback
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gumbel_r, kstest

import xai4land
from conftest import random_emulator, small_card, small_world
from xai4land import InputError, open_store, write
from xai4land.heads.classes import ClassHead
from xai4land.heads.noise import draw_gumbel
from xai4land.heads.patches import count_boundaries, fit_patch
from xai4land.scores.structure import boundary_density, measure_patches, variogram
from xai4land.windows.cells import Cells
from xai4land.windows.features import Pixels
from xai4land_land import reconstruct
from xai4land_land.change.references import change_reference

CLASSES = 3


def box(rows, columns, spacing=1.0):
    lat = 90 - spacing * (np.array(rows, float) + 0.5)
    return Pixels(lat, -180 + spacing * (np.array(columns, float) + 0.5), (spacing, spacing))


@pytest.mark.parametrize("length", [0.0, 2.0])
def test_noise_has_gumbels_distribution(length):
    """Far enough from each other values are independent."""
    noise = draw_gumbel(box(range(180), range(360)), 2, seed=3, member=0, length=length)
    apart = noise[:, ::15, ::15].numpy().ravel()
    assert kstest(apart, gumbel_r.cdf).pvalue > 0.01
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 20), st.integers(0, 20), st.integers(1, 12), st.integers(1, 12))
def test_noise_belongs_to_places(top, left, height, width):
    whole = draw_gumbel(box(range(40), range(40)), 2, seed=1, member=4, length=1.5)
    part = box(range(top, top + height), range(left, left + width))
    found = draw_gumbel(part, 2, seed=1, member=4, length=1.5)
    assert torch.equal(found, whole[:, top : top + height, left : left + width])


def test_noise_has_no_seam_around_the_globe():
    whole = draw_gumbel(box(range(5), range(360)), 1, seed=1, member=0, length=3.0)
    across = draw_gumbel(box(range(5), range(350, 370)), 1, seed=1, member=0, length=3.0)
    assert torch.equal(across, torch.cat([whole[..., 350:], whole[..., :10]], -1))


def test_noise_is_the_same_on_every_device():
    """Also where another one is the default, here one that holds no numbers at all."""
    here = draw_gumbel(box(range(9), range(9)), 3, seed=1, member=2, length=1.5)
    with torch.device("meta"):
        there = draw_gumbel(box(range(9), range(9)), 3, seed=1, member=2, length=1.5)
    assert there.device.type == "cpu"
    assert torch.equal(here, there)


def test_other_members_seeds_and_classes_are_other_noise():
    one = draw_gumbel(box(range(30), range(30)), 2, seed=1, member=0, length=0.0)
    for seed, member in ((1, 1), (2, 0), (0, 1)):
        other = draw_gumbel(box(range(30), range(30)), 2, seed=seed, member=member, length=0.0)
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


@pytest.fixture(scope="module")
def small():
    return small_world(times=2).drop_vars("truth")


@pytest.fixture(scope="module")
def drawing():
    """An emulator whose draws are alike over two pixels."""
    card = small_card()
    return random_emulator(card.with_(outputs=card.outputs.model_copy(update={"patch": 2.0})))


def test_each_class_is_drawn_as_often_as_it_is_probable(small, drawing):
    part = small.isel(time=[0], lat=slice(6, 10), lon=slice(6, 12))
    part = part.isel(lat_fine=slice(24, 40), lon_fine=slice(24, 48))
    how = {"precision": "float32", "baselines": False}
    made = reconstruct(part, drawing, members=800, **how).compute().land_cover
    likely = reconstruct(part, drawing, probabilities=True, **how).compute()
    for code in likely.land_cover_class.values:
        probability = likely.land_cover_probability.sel(land_cover_class=code)
        share = (made == code).mean("realization")
        open_ = probability.where((probability > 0.01) & (probability < 0.99))
        errors = (share - open_) / np.sqrt(open_ * (1 - open_) / 800)
        assert float(abs(errors).max()) < 5
        assert 0.7 < float(errors.std()) < 1.3


def test_draws_depend_on_neither_chunks_nor_domain(small, drawing):
    how = {"members": 2, "seed": 5, "precision": "float32", "baselines": False}
    whole = reconstruct(small, drawing, **how).compute()
    other = reconstruct(small, drawing, chunks=(17, 23), batch_size=2, **how).compute()
    xr.testing.assert_equal(whole.land_cover, other.land_cover)
    part = whole.isel(lat=slice(21, 50), lon=slice(33, 95))
    target = xr.Dataset(coords={"lat": part.lat, "lon": part.lon})
    cut = reconstruct(small, drawing, target=target, **how).compute()
    np.testing.assert_array_equal(part.land_cover, cut.land_cover)


def test_draws_do_not_depend_on_what_else_is_in_a_tile():
    """A pixel that is all but certain, in a tile of such and beside one that is open."""
    head = ClassHead(small_card().outputs, members=60)
    pixels = box(range(256), range(256), spacing=0.05)
    certain = torch.zeros(CLASSES, *pixels.shape)
    certain[0], certain[1] = 1 - 8e-7, 8e-7
    beside = certain.clone()
    beside[:, 0, 0] = 1 / CLASSES
    cells = torch.empty(0), torch.empty(0), torch.empty(0)
    groups = torch.arange(CLASSES)
    alone, other = (
        head._draw(likely, Cells(*cells), groups, None, pixels)[0] for likely in (certain, beside)
    )
    assert (other[:, 0, 0] != 0).any()
    other[:, 0, 0] = alone[:, 0, 0]
    assert torch.equal(alone, other)


def test_draws_keep_areas_where_these_are_exact(small, drawing):
    how = {"members": 3, "areas": "exact", "precision": "float32", "baselines": False}
    made = reconstruct(small.isel(time=[0]), drawing, **how).compute().land_cover
    for number, name in enumerate(("wood", "field", "town")):
        counts = (made == number).astype(int).coarsen(lat=4, lon=4).sum()
        wanted = small[name].isel(time=[0]).values[:, None]
        np.testing.assert_allclose(counts / 16, np.broadcast_to(wanted, counts.shape), atol=1e-6)
    assert (made.isel(realization=0) != made.isel(realization=1)).any()


def test_confidence_is_that_of_the_drawn_class(small, drawing):
    how = {"precision": "float32", "baselines": False}
    drawn = reconstruct(small, drawing, members=2, probabilities=True, **how).compute()
    codes = drawn.land_cover_class
    own = drawn.land_cover_probability.where(codes == drawn.land_cover).max("land_cover_class")
    np.testing.assert_allclose(drawn.confidence, own.transpose(*drawn.confidence.dims), atol=0.0051)
    assert drawn.realization.attrs["standard_name"] == "realization"


def test_draws_are_as_rough_as_the_truth():
    """The most likely map of the sample planet is smoother than its truth; draws are not."""
    planet = xai4land.sample("land", years=[2000])
    part = planet.isel(lat=slice(60, 100), lon=slice(100, 160))
    part = part.isel(lat_fine=slice(240, 400), lon_fine=slice(400, 640))
    emulator = xai4land.load_emulator("sample-landcover")
    outputs = emulator.card.outputs.model_copy(update={"patch": 2.0})
    emulator = xai4land.Emulator(emulator.card.with_(outputs=outputs), emulator.weights)
    chosen = reconstruct(part, emulator, baselines=False).compute().land_cover
    drawn = reconstruct(part, emulator, members=2, baselines=False).compute().land_cover
    truth = float(
        boundary_density(planet.land_cover[0, 240:400, 400:640], ("lat_fine", "lon_fine"))
    )
    errors = [abs(boundary_density(m, ("lat", "lon")) - truth).max() for m in (chosen, drawn)]
    assert errors[1] < errors[0] / 3


def test_patches_are_fitted_to_the_truth():
    """Truths that are themselves draws tell their length."""
    rng = np.random.default_rng(0)
    fields = []
    for number in range(6):
        likely = torch.tensor(rng.dirichlet([1, 1, 1]))[:, None, None].expand(3, 64, 64)
        noise = draw_gumbel(box(range(64), range(64)), 3, seed=9, member=number, length=2.0)
        fields.append((likely, (torch.log(likely) + noise).argmax(0)))
    assert fit_patch(fields) == 2.0


def test_neighbours_and_patches_are_counted():
    codes = np.array([[0, 0, 1, 1], [0, 1, 1, 255], [0, 0, 0, 0]], np.uint8)
    map_ = xr.DataArray(codes, dims=("y", "x"))
    # Pairs in rows: 0-0 0-1 1-1, 0-1 1-1, 0-0 0-0 0-0; in columns: 0-0 0-1 1-1, 0-0 1-0 1-0.
    assert float(boundary_density(map_, ("y", "x"))) == pytest.approx(5 / 14)
    assert count_boundaries(torch.tensor(codes), torch.tensor(codes == 255)) == (5, 14)
    found = variogram(map_, ("y", "x"), (1, 2))
    # Two apart: rows 0-1 0-1, 0-1, 0-0 0-0; columns 0-0 0-0 1-0 1-0.
    np.testing.assert_allclose(found, [5 / 14, 5 / 9])
    count, size = measure_patches(codes, 3)
    assert count.tolist() == [1, 1, 0]
    np.testing.assert_allclose(size, [7, 4, np.nan])


def test_a_member_of_a_rollout_goes_on_from_its_own_map():
    world = xai4land.sample("land_history", years=[1990, 1991, 1992])
    known = world.land_cover.isel(time=0)
    rule = change_reference("suitability", world, world.land_cover)
    made = reconstruct(world, rule, prior=known, members=2).compute()
    assert made.land_cover.dims == ("time", "realization", "lat", "lon")
    for member in range(2):
        np.testing.assert_array_equal(made.land_cover[0, member], known)
    first, second = (made.land_cover.isel(realization=m) for m in range(2))
    assert (first[2] != second[2]).any()
    # What changed by 1991 stays so in most places in 1992, in each member's own map.
    for own, other in ((first, second), (second, first)):
        new = (own[1] != known.values) & (own[1] != other[1])
        if new.any():
            assert (own[2] == own[1]).values[new].mean() > 0.5


def test_a_rollout_of_members_is_written_year_by_year(tmp_path):
    world = xai4land.sample("land_history", years=[1990, 1991, 1992])
    world = world.isel(lat=slice(0, 4), lon=slice(0, 4))
    known = world.land_cover.isel(time=0)
    rule = change_reference("suitability", world, world.land_cover)
    made = reconstruct(world, rule, prior=known, members=2)
    sizes = []
    with Callback(start=lambda graph: sizes.append(len(graph))):
        write(made, tmp_path / "members.zarr", progress=False)
    assert len(sizes) == 3
    again = open_store(tmp_path / "members.zarr")
    xr.testing.assert_allclose(again.compute(), made.compute())
    assert again.realization.attrs["standard_name"] == "realization"


def test_members_are_written_and_read(small, drawing, tmp_path):
    made = reconstruct(small, drawing, members=2, precision="float32", baselines=False)
    write(made, tmp_path / "members.zarr", progress=False)
    again = open_store(tmp_path / "members.zarr")
    np.testing.assert_array_equal(again.land_cover, made.land_cover)


def test_every_fault_of_a_draw_is_named_at_once(small, drawing):
    with pytest.raises(InputError) as error:
        reconstruct(small, drawing, members=0, seed=-1, areas="some")
    for words in ("members=0", "seed=-1", "areas='some'"):
        assert words in str(error.value)
    with pytest.raises(InputError, match="whole number"):
        reconstruct(small, drawing, members=1.5)
