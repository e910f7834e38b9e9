"""What a newcomer may give for maps that follow from a prior map: read as meant, or refused."""

import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner
from rollouts import select_years

import xai4land
from xai4land.cli import cli
from xai4land.errors import InputError

YEARS = [1990, 1991, 1992]


@pytest.fixture(scope="module")
def world(history):
    return select_years(history, YEARS)


@pytest.fixture(scope="module")
def prior(world):
    """The true map of the first year."""
    return world.land_cover.isel(time=[0])


@pytest.fixture(scope="module")
def expected(world, prior, rule):
    """The maps from data as they are."""
    return roll(world, prior, rule)


def roll(data, prior, rule, **options):
    """Reconstruct; compute the maps."""
    made = data.ai4land.reconstruct(rule, prior=prior, precision="float32", **options)
    return made.land_cover.compute()


def change_states(world, rule, change):
    """Return the dataset with changed states."""
    return world.assign({name: change(world[name]) for name in rule.card.outputs.states})


PRIORS = {
    "without a name": lambda p: p.rename(None),
    "a dataset": lambda p: p.to_dataset(name="cover"),
    "float codes": lambda p: p.astype("float32").assign_attrs(p.attrs),
    "a scalar date": lambda p: p.isel(time=0),
    "rows from south to north": lambda p: p.isel(lat_fine=slice(None, None, -1)),
    "longitudes one turn on": lambda p: p.assign_coords(lon_fine=p.lon_fine + 360),
    "a calendar without leap days": lambda p: p.convert_calendar("noleap", use_cftime=True),
    "dimensions in another order": lambda p: p.transpose("lon_fine", "time", "lat_fine"),
    "another dimension of one step": lambda p: p.expand_dims(band=[1]),
    "chunks": lambda p: p.chunk(lat_fine=100),
}


@pytest.mark.parametrize("kind", PRIORS)
def test_a_prior_map_may_come_in_any_form(world, prior, rule, expected, kind):
    made = roll(world, PRIORS[kind](prior), rule)
    assert (made.sortby("lat", ascending=False).values == expected.values).all()


STATES = {
    "years in another order": lambda w, rule: w.isel(time=[2, 0, 1]),
    "a calendar of 360 days": lambda w, rule: w.convert_calendar(
        "360_day", use_cftime=True, align_on="date"
    ),
    "percent": lambda w, rule: change_states(w, rule, lambda s: (100 * s).assign_attrs(units="%")),
    "percent in chunks": lambda w, rule: change_states(
        w, rule, lambda s: (100 * s).assign_attrs(units="%").chunk(time=1)
    ),
    "no truth beside them": lambda w, rule: w.drop_vars("land_cover"),
}


@pytest.mark.parametrize("kind", STATES)
def test_states_may_come_in_any_form(world, prior, rule, expected, kind):
    made = roll(STATES[kind](world, rule), prior, rule)
    assert (made.values == expected.values).mean() > 0.9999  # percent are rounded
    assert made.time.dt.year.values.tolist() == YEARS


@pytest.mark.parametrize(
    "years",
    [np.int64(1992), "1992", slice("1990", "1992"), np.array(YEARS), range(1990, 1993), set(YEARS)],
    ids=str,
)
def test_years_may_come_in_any_form(world, prior, rule, years):
    made = world.ai4land.reconstruct(rule, prior=prior, years=years)
    assert made.time.dt.year.values.tolist() == YEARS


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"years": 1990.5}, "years has 1990.5, expected whole numbers"),
        ({"years": np.array(["1990-07-01"], "datetime64[ns]")}, "expected whole numbers"),
        ({"years": [1990, 1991, 1991]}, "asks for 1991 twice"),
        ({"every": 5}, "leaves no year but 1990"),
        ({"years": slice(1990, 2000)}, "no states of 1993"),
        ({"years": slice(1990, 1991), "every": 2}, "every=2 from 1990 does not reach 1991"),
        ({"every": True}, "every=True, expected a whole number"),
    ],
)
def test_years_that_cannot_be_made_are_refused(world, prior, rule, options, words):
    with pytest.raises(InputError, match=words):
        world.ai4land.reconstruct(rule, prior=prior, **options)


def test_a_prior_map_of_a_year_or_a_region_without_states_is_refused(world, prior, rule):
    other = prior.assign_coords(time=[np.datetime64("1980-07-01", "s")])
    with pytest.raises(InputError, match="no states of 1980, the prior map's year"):
        roll(world, other, rule)
    with pytest.raises(InputError) as error:
        roll(world, prior.assign_coords(lon_fine=prior.lon_fine + 90), rule)
    assert list(error.value.problems) == [
        "the prior map and the states have no pixel in common; compare their latitudes and "
        "longitudes"
    ]


def test_what_is_no_map_or_no_date_is_refused(world, prior, rule):
    with pytest.raises(InputError, match="open a file: xai4land.open_store"):
        roll(world, "prior.nc", rule)
    with pytest.raises(InputError, match="the prior map has no date"):
        roll(world, prior.assign_coords(time=[1990]), rule)
    with pytest.raises(InputError, match="of the states has no dates; make them from years"):
        roll(world.assign_coords(time=YEARS), prior, rule)


def test_states_that_are_no_fractions_are_refused_and_not_corrected(world, prior, rule):
    """Shares of their sum would look like fractions."""
    for chunks in (None, {"time": 1}):
        data = world.chunk(chunks) if chunks else world
        percent = change_states(data, rule, lambda s: (100 * s).drop_attrs())
        with pytest.raises(InputError, match="if these are percent"):
            roll(percent, prior, rule)
        with pytest.raises(InputError, match="'urban' has values from -9999"):
            roll(data.assign(urban=data.urban.where(data.urban > 0.001, -9999)), prior, rule)
        with pytest.raises(InputError, match="the states add up to 2"):
            roll(data.assign(urban=xr.ones_like(data.urban)), prior, rule)


def test_a_scenario_that_begins_after_the_history_ends_is_refused(world, prior, rule):
    late = world.isel(time=[1]).assign_coords(time=[np.datetime64("2300-07-01", "s")])
    gap = xr.concat([world.isel(time=[0]), late], "time", data_vars="minimal")
    with pytest.raises(InputError, match="steps of 310 years, expected 1 to 250"):
        roll(gap, prior, rule)  # two years have no gap between others
    with pytest.raises(InputError, match="no states of 1991, 1992, 1993"):
        roll(gap, prior, rule, years=slice(1990, 2300))


def test_gaps_in_the_years_are_refused_unless_the_years_are_given(history, rule):
    """One long step among short ones is more often an accident than meant."""
    some = select_years(history, [1990, 1991, 1993, 1996])
    prior = some.land_cover.isel(time=[0])
    with pytest.raises(InputError, match="no year between 1991 and 1993; 1993 and 1996; add them"):
        some.ai4land.reconstruct(rule, prior=prior)
    made = some.ai4land.reconstruct(rule, prior=prior, years=some.time.dt.year.values)
    assert made.sizes["time"] == 4


@pytest.fixture(scope="module")
def files(world, prior, rule, tmp_path_factory):
    """Files of states, maps and the rule."""
    folder = tmp_path_factory.mktemp("files")
    states = world.drop_vars("land_cover")
    states.to_netcdf(folder / "states.nc")
    jump = states.copy()
    for name in rule.card.outputs.states:
        jump[name] = states[name].where(states.time.dt.year < 1992, float(name == "range"))
    jump.to_netcdf(folder / "jump.nc")
    prior.to_netcdf(folder / "prior.nc")
    codes = prior.where(prior != 4, 77)
    codes.to_netcdf(folder / "codes.nc")
    moved = prior.assign_coords(lon_fine=prior.lon_fine + 90)
    moved.to_netcdf(folder / "moved.nc")
    rule.save(folder / "rule.safetensors")
    return folder


def run(files, out, *arguments, states="states.nc", prior="prior.nc"):
    """Run the command line."""
    given = [str(files / states), str(out), "--emulator", str(files / "rule.safetensors")]
    given += ["--prior", str(files / prior), "--precision", "float32", "--quiet", *arguments]
    return CliRunner().invoke(cli.get_command(None, "reconstruct"), given)


def test_the_command_line_makes_the_same_maps(files, world, prior, rule, tmp_path):
    result = run(files, tmp_path / "out.zarr", "--years", "1992:1990", "--every", "2", "--exchange")
    assert result.exit_code == 0, result.output
    stored = xai4land.open_store(tmp_path / "out.zarr").land_cover
    made = roll(world, prior, rule, years=slice(1992, 1990), every=2, exchange=True)
    assert made.time.dt.year.values.tolist() == [1990, 1992]
    assert (stored.values == made.values).all()


@pytest.mark.parametrize(
    ("faulty", "arguments", "words"),
    [
        ({"prior": "moved.nc"}, [], "no pixel in common"),
        ({"prior": "codes.nc"}, [], "codes 77"),
        ({"states": "jump.nc"}, [], "states jump from 1991 to 1992"),
        ({}, ["--years", "1991:1992"], "prior map is of 1990"),
        ({}, ["--years", "1990:2000"], "no states of 1993"),
    ],
)
@pytest.mark.parametrize("name", ["out.zarr", "out.nc"])
def test_bad_input_leaves_no_store(files, tmp_path, faulty, arguments, words, name):
    result = run(files, tmp_path / name, *arguments, **faulty)
    assert isinstance(result.exception, InputError)
    assert words in str(result.exception)
    assert not (tmp_path / name).exists()


def test_a_command_does_not_replace_its_prior_map(files):
    result = run(files, files / "prior.nc", "--overwrite")
    assert result.exception is not None
    assert "prior.nc" in str(result.exception)
    assert xr.open_dataset(files / "prior.nc").sizes["time"] == 1
