"""Land cover that follows from a prior map, and leaf area, stepped inside of a model."""

from __future__ import annotations

import json

import numpy as np
import pytest
import xarray as xr
from rollouts import known_maps, roll, select_years
from test_leaf_area import make_climate, make_cover

import xai4land
from xai4land import InputError
from xai4land.coupling import Stepper
from xai4land.coupling.embedding import Session
from xai4land_land import fit_leaf_area
from xai4land_land.class_steps import ClassInputs
from xai4land_land.leaf.cover import cover_fractions

YEARS = [1990, 1991, 1992, 1995]


@pytest.fixture(scope="module")
def world(history):
    return select_years(history, YEARS)


def fields_of(stepper, data, step):
    return {name: data[name].values[step] for name in stepper.inputs}


def equal(made, whole, step):
    for name, values in made.items():
        np.testing.assert_array_equal(values, whole[name].values[step], err_msg=name)


@pytest.mark.parametrize(
    "options",
    [{}, {"exchange": True, "probabilities": True}, {"demand": "level"}],
    ids=["plain", "exchange", "level"],
)
def test_years_give_the_maps_of_a_rollout(world, rule, options):
    prior = known_maps(world, 1990)
    whole = roll(world, rule, 1990, device="cpu", chunks=-1, **options).compute()
    stepper = Stepper(rule, world, static=world, prior=prior, **options)
    for step, year in enumerate(YEARS):
        equal(stepper.step(fields_of(stepper, world, step), year), whole, step)


def test_years_go_backward_from_a_history(world, rule):
    prior = known_maps(world, 1995)
    whole = roll(world, rule, 1995, device="cpu", chunks=-1).compute()
    stepper = Stepper(rule, world, static=world, prior=prior, history=world.isel(time=[3]))
    for step in (2, 1, 0):
        made = stepper.step(world.isel(time=step))
        equal(made[["land_cover", "confidence"]], whole, step)


def test_a_restarted_run_equals_an_uninterrupted_one(world, rule, tmp_path):
    def begin():
        return Stepper(rule, world, static=world, prior=known_maps(world, 1990), exchange=True)

    whole, first, second = begin(), begin(), begin()
    for step in range(2):
        made = whole.step(world.isel(time=step))
        first.step(world.isel(time=step))
    first.checkpoint(tmp_path / "state")
    second.restore(tmp_path / "state")
    for step in (2, 3):
        made = whole.step(world.isel(time=step))
        xr.testing.assert_equal(second.step(world.isel(time=step)), made)


def test_a_model_may_change_the_maps_that_it_was_given(world, rule):
    def begin():
        return Stepper(rule, world, static=world, prior=known_maps(world, 1990))

    one, other = begin(), begin()
    for step, year in enumerate(YEARS[:3]):
        made = one.step(fields_of(one, world, step), year)
        expected = other.step(fields_of(other, world, step), year)
        np.testing.assert_array_equal(made["land_cover"], expected["land_cover"])
        made["land_cover"][:] = 255


@pytest.mark.parametrize("case", ["smaller domain", "map from the south", "part", "flipped part"])
def test_the_prior_map_lies_where_it_lies(world, rule, case):
    prior, states, target = known_maps(world, 1990), world, None
    if case == "smaller domain":
        states = world.isel(lat=slice(2, -2), lon=slice(2, -2))
    if case == "map from the south":
        target, prior = prior, prior.isel(lat_fine=slice(None, None, -1))
    if "part" in case:
        target = prior.isel(lat_fine=slice(32, 160), lon_fine=slice(64, 256))
    if case == "flipped part":
        target = target.isel(lat_fine=slice(None, None, -1))
    whole = roll(states, rule, 1990, static=world, prior=prior, target=target, chunks=-1).compute()
    stepper = Stepper(rule, states, static=world, prior=prior, target=target)
    for step, year in enumerate(YEARS[:3]):
        equal(stepper.step(fields_of(stepper, states, step), year), whole, step)


def test_a_checkpoint_of_another_prior_map_is_refused(world, rule, tmp_path):
    Stepper(rule, world, static=world, prior=known_maps(world, 1990)).checkpoint(tmp_path / "state")
    other = Stepper(rule, world, static=world, prior=known_maps(world, 1991))
    with pytest.raises(InputError, match="another prior map"):
        other.restore(tmp_path / "state")


def test_steps_that_a_rollout_refuses_are_refused(world, rule):
    prior = known_maps(world, 1990)
    with pytest.raises(InputError, match="give prior="):
        Stepper(rule, world, static=world)
    stepper = Stepper(rule, world, static=world, prior=prior)
    with pytest.raises(InputError, match="the first step is of 1991, expected 1990"):
        stepper.step(world.isel(time=1))
    stepper.step(world.isel(time=0))
    with pytest.raises(InputError, match="without time="):
        stepper.step(fields_of(stepper, world, 1))
    with pytest.raises(InputError, match=r"steps of 8010 years, expected"):
        stepper.step(fields_of(stepper, world, 1), 10000)
    jump = fields_of(stepper, world, 1)
    jump = {name: np.zeros_like(values) for name, values in jump.items()}
    jump[next(iter(jump))] += 1
    with pytest.raises(InputError, match="the states jump from 1990 to 1991"):
        stepper.step(jump, 1991)
    assert stepper.time.year == 1990
    with pytest.raises(InputError, match="goes beyond 1990"):
        Stepper(rule, world, static=world, prior=prior, history=world.isel(time=[0, 1]))
    with pytest.raises(InputError, match="unknown options areas"):
        Stepper(rule, world, static=world, prior=prior, areas="exact")


def test_halves_of_a_rollout_are_refused(world, rule, tmp_path):
    rule.save(tmp_path / "e.safetensors")
    world.drop_vars("land_cover").to_netcdf(tmp_path / "world.nc")
    known_maps(world, 1990).to_netcdf(tmp_path / "prior.nc")
    files = {"emulator": "e.safetensors", "prior": "prior.nc"} | dict.fromkeys(
        ("like", "static"), "world.nc"
    )
    settings = json.dumps(files | {"start": 1990, "end": 1993})
    (tmp_path / "run.json").write_text(settings)
    session = Session(str(tmp_path / "run.json"))
    with pytest.raises(InputError, match="moves inward with each step; run it on one rank"):
        session.halo(memoryview(bytearray(8)))


def test_exact_areas_are_those_of_reconstruct(world):
    planet = xai4land.sample("land", years=[2000]).sel(lat=slice(60, 10), lon=slice(-10, 50))
    whole = planet.ai4land.reconstruct(
        "sample-landcover", areas="exact", baselines=False, precision="float32", chunks=-1
    ).compute()
    stepper = Stepper("sample-landcover", planet, static=planet, areas="exact")
    assert isinstance(stepper._inputs, ClassInputs)
    equal(stepper.step(fields_of(stepper, planet, 0)), whole, 0)


@pytest.fixture(scope="module")
def climate():
    return make_climate(years=(1999, 2000))


@pytest.fixture(scope="module")
def leaves(climate):
    cover = make_cover((2000,))
    fine = climate.tas.interp(lat=cover.lat, lon=cover.lon)
    truth = (fine.clip(270, 300) / 100).where(cover.land_cover.isel(time=0, drop=True) > 0, 0)
    truth = truth.sel(time="2000").astype("f4").rename("leaf_area_index").assign_attrs(units="1")
    return fit_leaf_area(
        cover, climate, truth, epochs=1, steps=2, batch_size=1, window=8, progress=False
    )


def split(climate):
    """Return the months before 2000, and those of it."""
    return climate.sel(time=slice("1999-02", "1999-12")), climate.sel(time="2000")


def start(leaves, climate, cover, **how):
    like = climate.isel(time=0, drop=True).rename(lat="lat_c", lon="lon_c")
    like = like.assign(cover_fractions(cover, leaves.card.outputs))
    return Stepper(leaves, like.isel(time=0, drop=True), **how)


def test_months_give_the_leaf_area_of_the_graph(leaves, climate):
    cover = make_cover((2000,))
    before, year = split(climate)
    whole = cover.ai4land.leaf_area(
        climate.sel(time=slice("1999-02", None)), leaves, precision="float32", chunks=-1
    ).compute()
    fractions = cover_fractions(cover, leaves.card.outputs)
    stepper = start(leaves, climate, cover, history=before.rename(lat="lat_c", lon="lon_c"))
    given = {name: values.values[0] for name, values in fractions.items()}
    for step in range(12):
        fields = {name: year[name].values[step] for name in ("tas", "pr")} | given
        given = {}  # the first step's go on to hold
        equal(stepper.step(fields, year.time.values[step]), whole, step)


def test_what_leaf_area_cannot_do_is_refused(leaves, climate):
    cover = make_cover((2000,))
    for options, message in (
        ({"lapse_rate": 65}, "lapse_rate=65, expected K/km"),
        ({"lapse_rate": 6.5}, "has no input 'elevation'"),
        ({"areas": "exact"}, "unknown options areas, expected some of lapse_rate"),
    ):
        with pytest.raises(InputError, match=message):
            start(leaves, climate, cover, **options)


@pytest.mark.parametrize("step", ["dekad", "day"])
def test_leaf_area_of_other_steps_than_months_is_refused(leaves, climate, step):
    outputs = leaves.card.outputs.model_copy(update={"step": step})
    other = type(leaves)(leaves.card.model_copy(update={"outputs": outputs}), leaves.weights)
    with pytest.raises(InputError, match=f"leaf area of each {step}, and a stepper goes on by mon"):
        start(other, climate, make_cover((2000,)))


def test_months_must_follow_each_other(leaves, climate, tmp_path):
    cover = make_cover((2000,))
    before, year = split(climate)
    stepper = start(leaves, climate, cover)
    fields = {name: year[name].values[0] for name in ("tas", "pr")}
    with pytest.raises(InputError, match="1 months of climate are known.*expected 12"):
        stepper.step(fields, "2000-01")
    stepper = start(leaves, climate, cover, history=before.rename(lat="lat_c", lon="lon_c"))
    with pytest.raises(InputError, match="the first step must have those of all classes"):
        stepper.step(fields, "2000-01")
    with pytest.raises(InputError, match="a step of 2000-02 after 1999-12"):
        stepper.step(fields, "2000-02")
    with pytest.raises(InputError, match="no field 'pr', which the steps before had"):
        stepper.step({"tas": fields["tas"]}, "2000-01")


def test_leaf_area_goes_on_from_a_checkpoint(leaves, climate, tmp_path):
    cover = make_cover((2000,))
    before, year = split(climate)
    given = {n: a.values[0] for n, a in cover_fractions(cover, leaves.card.outputs).items()}
    one = start(leaves, climate, cover, history=before.rename(lat="lat_c", lon="lon_c"))
    steps = [{name: year[name].values[k] for name in ("tas", "pr")} for k in range(3)]
    one.step(steps[0] | given, "2000-01")
    one.step(steps[1], "2000-02")
    one.checkpoint(tmp_path / "state")
    two = start(leaves, climate, cover)
    two.restore(tmp_path / "state")
    expected, made = one.step(steps[2], "2000-03"), two.step(steps[2], "2000-03")
    for name in expected:
        np.testing.assert_array_equal(made[name], expected[name])


def small_region(step, rows, lat, lon):
    """Return coordinates of a square region."""
    return {
        "lat": ("lat", lat - step * (np.arange(rows) + 0.5), {"units": "degrees_north"}),
        "lon": ("lon", lon + step * (np.arange(rows) + 0.5), {"units": "degrees_east"}),
    }


def test_the_bundled_emulator_of_change_steps(tmp_path):
    emulator = xai4land.load_emulator("change-landcover")
    assert emulator.couplings == ("Python (Stepper)", "BMI", "YAC", "Fortran and C")
    rng = np.random.default_rng(0)
    names = ["urban", "crop", "pasture", "forest", "nonforest", "other", "water"]
    shares = rng.dirichlet(np.ones(7), (2, 4, 4)).astype("f4")
    shares[1] = 0.95 * shares[0] + 0.05 * shares[1]
    states = xr.Dataset(
        {
            name: (("time", "lat", "lon"), shares[..., k], {"units": "1"})
            for k, name in enumerate(names)
        },
        small_region(0.25, 4, 46.0, 7.0)
        | {"time": np.array(["2014-07-01", "2015-07-01"], "M8[s]")},
    ).assign_coords(time=np.array(["2014-07-01", "2015-07-01"], "M8[s]"))
    classes = emulator.card.outputs.classes
    codes = rng.choice([c.value for c in classes], (360, 360)).astype("u1")
    flags = {
        "flag_values": np.array([c.value for c in classes], "u1"),
        "flag_meanings": " ".join(c.name for c in classes),
    }
    prior = xr.DataArray(codes, small_region(1 / 360, 360, 46.0, 7.0), ("lat", "lon"), attrs=flags)
    prior = prior.assign_coords(time=np.datetime64("2014-07-01", "s")).rename("land_cover")
    whole = states.ai4land.reconstruct(prior=prior, precision="float32", chunks=-1).compute()
    stepper = Stepper(emulator, states, prior=prior)
    for step in range(2):
        equal(stepper.step(fields_of(stepper, states, step), 2014 + step), whole, step)


@pytest.mark.parametrize(
    ("lapse_rate", "own"),
    [(None, False), (6.5, False), (6.5, True)],
    ids=["as it is", "mean", "own"],
)
def test_the_bundled_emulator_of_leaf_area_steps(lapse_rate, own):
    emulator = xai4land.load_emulator("leaf-area")
    assert emulator.couplings == ("Python (Stepper)", "BMI", "YAC", "Fortran and C", "ONNX")
    climate = make_climate(years=(1999, 2000), rain=False)
    rng = np.random.default_rng(0)
    names = [*emulator.card.outputs.coarse_inputs, "water"]
    shares = rng.dirichlet(np.ones(len(names)), (40, 40)).astype("f4")
    cover = xr.Dataset(
        {n: (("lat", "lon"), shares[..., k], {"units": "1"}) for k, n in enumerate(names)},
        small_region(0.01, 40, 10.0, 10.0),
    )
    height = rng.uniform(0, 900, (40, 40)).astype("f4")
    static = xr.Dataset({"elevation": (("lat", "lon"), height, {"units": "m"})}, cover.coords)
    how = {"static": static, "target": cover, "lapse_rate": lapse_rate}
    if own:
        orog = 10 * np.arange(90.0, dtype="f4").reshape(9, 10)
        climate["orog"] = ("lat", "lon"), orog, {"units": "m"}
    whole = cover.ai4land.leaf_area(climate, **how, precision="float32", chunks=-1).compute()
    climate = climate.rename(lat="lat_c", lon="lon_c")
    like = climate.isel(time=0, drop=True).merge(cover)
    past = climate.isel(time=slice(0, 11))
    how["static"] = xr.merge([static, climate[["orog"]]]) if own else static
    stepper = Stepper(emulator, like, history=past, **how)
    given = {name: cover[name].values for name in names[:-1]}
    for step in range(2):
        fields = given | {"tas": climate.tas.values[11 + step]}
        equal(stepper.step(fields, climate.time.values[11 + step]), whole, step)


def test_cards_say_how_emulators_couple():
    assert xai4land.load_emulator("sample-landcover").couplings[-1] == "ONNX"
    assert xai4land.load_emulator("seasonal").couplings == ()
    assert "inside models" in repr(xai4land.load_emulator("leaf-area"))


def test_climate_on_the_pixels_gives_the_leaf_area_of_the_graph(leaves, climate):
    """Each month is brought to the pixels once; some pixels have none, and land cover changes."""
    cover = make_cover((2000,))
    fine = climate.interp(lat=cover.lat, lon=cover.lon, kwargs={"fill_value": "extrapolate"})
    fine = fine.astype("f4").where(cover.lat < 12)
    for name in fine.data_vars:
        fine[name].attrs = climate[name].attrs
    before, year = split(fine)
    fractions = xr.Dataset(cover_fractions(cover, leaves.card.outputs)).isel(time=0)
    stepper = start(leaves, fine, cover, history=before.rename(lat="lat_c", lon="lon_c"))
    later = fractions.map(lambda array: array.copy(data=array.values[::-1]), keep_attrs=True)
    for number, now in enumerate([fractions, fractions, later, later, fractions]):
        whole = now.ai4land.leaf_area(
            fine.sel(time=slice("1999-02", None)), leaves, precision="float32", chunks=-1
        ).isel(time=[number])
        fields = {name: year[name].values[number] for name in ("tas", "pr")}
        given = {name: now[name].values for name in fractions}
        equal(stepper.step(fields | given, year.time.values[number]), whole.compute(), 0)


def test_climate_on_two_grids_is_refused(leaves, climate):
    cover = make_cover((2000,))
    like = climate.isel(time=0, drop=True).rename(lat="lat_c", lon="lon_c")
    turned = like.pr.isel(lat_c=slice(None, None, -1)).rename(lat_c="lat_p", lon_c="lon_p")
    like = like[["tas"]].assign(pr=turned).assign(cover_fractions(cover, leaves.card.outputs))
    with pytest.raises(InputError, match="'pr' on another grid than 'tas'"):
        Stepper(leaves, like.isel(time=0, drop=True))


def test_months_stamped_at_their_end_are_those_of_their_bounds(leaves, climate):
    cover = make_cover((2000,))
    before, year = split(climate)
    whole = cover.ai4land.leaf_area(
        climate.sel(time=slice("1999-02", None)), leaves, precision="float32", chunks=-1
    ).compute()

    def stamp(data):
        months = data.time.values.astype("M8[M]")
        edges = np.stack([months, months + 1], 1).astype("M8[s]")
        time = xr.DataArray(edges[:, 1], dims="time", attrs={"bounds": "time_bnds"})
        found = data.rename(lat="lat_c", lon="lon_c").assign_coords(time=time)
        return found.assign_coords(time_bnds=(("time", "bnds"), edges))

    fractions = cover_fractions(cover, leaves.card.outputs)
    stepper = start(leaves, climate, cover, history=stamp(before))
    for step in range(2):
        fields = (
            stamp(year)
            .isel(time=step)
            .assign({n: a.isel(time=0, drop=True) for n, a in fractions.items()})
        )
        made = stepper.step(fields)
        np.testing.assert_array_equal(
            made.leaf_area_index.values, whole.leaf_area_index.values[step]
        )
        assert made.time.dt.month == step + 1


def test_other_flags_of_a_climate_are_no_land_cover(leaves, climate):
    cover = make_cover((2000,))
    before, year = split(climate)
    past = before.rename(lat="lat_c", lon="lon_c")
    stepper = start(leaves, climate, cover, history=past)
    now = year.isel(time=0).rename(lat="lat_c", lon="lon_c")
    fractions = cover_fractions(cover, leaves.card.outputs)
    now = now.assign({n: a.isel(time=0, drop=True) for n, a in fractions.items()})
    flags = {"flag_values": [0, 1], "flag_meanings": "no yes"}
    now["mask"] = (now.tas > 0).astype("u1").assign_attrs(flags)
    assert stepper.step(now).leaf_area_index.notnull().any()
    absurd = {"tas": np.full(now.tas.shape, 9999.0), "pr": now.pr.values}
    known = stepper.inputs["tas"].shape == now.tas.shape
    assert known
    if leaves.card.inputs[0].valid_range:
        with pytest.raises(InputError, match="expected"):
            stepper.step(absurd, "2000-02")
