"""The emulator file, and the check of data against its card."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

import xai4land
from conftest import plain_emulator, random_emulator, small_card
from xai4land import Emulator, EmulatorFileError, InputError, StoreError
from xai4land.emulator.file import HEADER_KEY, pack


@pytest.fixture(scope="module")
def content() -> bytes:
    emulator = random_emulator(small_card())
    return pack(emulator.card, emulator.weights)


def written(tmp_path, content):
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    return path


def test_a_saved_emulator_is_loaded_unchanged(tmp_path, emulator):
    path = tmp_path / "mine.safetensors"
    emulator.save(path)
    again = Emulator.load(path, sha256=emulator.sha256)
    assert again.card == emulator.card
    assert again.sha256 == emulator.sha256
    for name, weight in emulator.weights.items():
        torch.testing.assert_close(again.weights[name], weight, rtol=0, atol=0)


def test_an_emulator_can_be_pickled(emulator):
    assert pickle.loads(pickle.dumps(emulator)).sha256 == emulator.sha256  # noqa: S301


def test_another_hash_is_refused(tmp_path, content):
    with pytest.raises(EmulatorFileError, match="has SHA-256"):
        Emulator.load(written(tmp_path, content), sha256="0" * 64)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_a_truncated_file_is_refused(tmp_path_factory, content, data):
    cut = data.draw(st.integers(0, len(content) - 1))
    path = written(tmp_path_factory.mktemp("cut"), content[:cut])
    with pytest.raises(EmulatorFileError):
        Emulator.load(path)


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_an_altered_byte_is_refused(tmp_path_factory, content, data):
    at = data.draw(st.integers(0, len(content) - 1))
    altered = bytearray(content)
    altered[at] ^= data.draw(st.integers(1, 255))
    path = written(tmp_path_factory.mktemp("bit"), bytes(altered))
    try:
        emulator = Emulator.load(path)
    except EmulatorFileError:
        return
    # Spaces that pad the header have no meaning; any other change must be refused.
    original = Emulator.load(written(tmp_path_factory.mktemp("whole"), content))
    assert emulator.card == original.card
    for name, weight in original.weights.items():
        torch.testing.assert_close(emulator.weights[name], weight, rtol=0, atol=0)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04N.", b"\xff" * 64, b"PK\x03\x04" * 9])
def test_other_files_are_refused(tmp_path, content):
    with pytest.raises(EmulatorFileError, match="no safetensors file"):
        Emulator.load(written(tmp_path, content))


def test_a_pickle_is_refused_and_not_run(tmp_path):
    path = tmp_path / "evil.safetensors"
    torch.save({"a": torch.zeros(3)}, path)
    with pytest.raises(EmulatorFileError, match="no safetensors file"):
        Emulator.load(path)


def test_safetensors_without_a_card_are_refused(tmp_path):
    path = tmp_path / "plain.safetensors"
    save_file({"a": torch.zeros(3)}, path)
    with pytest.raises(EmulatorFileError, match="without an xai4land card"):
        Emulator.load(path)


def changed_card(content: bytes, **changes) -> bytes:
    """Return the file with another card and a matching hash."""
    emulator = Emulator(
        *__import__("xai4land.emulator.file", fromlist=["unpack"]).unpack(content, "")
    )
    from safetensors.torch import save

    from xai4land.emulator.file import _digest

    card = {**emulator.card.model_dump(mode="json"), **changes}
    text = json.dumps(card)
    tensors = {n: emulator.weights[n] for n in sorted(emulator.weights)}
    return save(tensors, {HEADER_KEY: json.dumps({"card": text, "sha256": _digest(text, tensors)})})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": {"name": "nonsense", "parameters": {}}}, "architecture 'nonsense'"),
        ({"architecture": {"name": "unet", "parameters": {"evil": 1}}}, "refuses its parameters"),
        (
            {"architecture": {"name": "unet", "parameters": {"widths": [8, 1_000_000]}}},
            "refuses its parameters",
        ),
        ({"architecture": {"name": "unet", "parameters": {"widths": [16, 16]}}}, "do not fit"),
        ({"format": 2}, "does not accept: format"),
        ({"window": {"size": 10**9, "overlap": 0}}, "does not accept: window"),
        ({"surprise": 1}, "does not accept: surprise"),
    ],
)
def test_cards_that_cannot_be_run_are_refused(tmp_path, content, changes, message):
    with pytest.raises(EmulatorFileError, match=message):
        Emulator.load(written(tmp_path, changed_card(content, **changes)))


def test_a_missing_file_and_an_unknown_name():
    with pytest.raises(EmulatorFileError, match="could not open"):
        Emulator.load("/nowhere/none.safetensors")
    with pytest.raises(EmulatorFileError, match="no emulator is called 'nonsense'; there are"):
        xai4land.load_emulator("nonsense")


def test_saving_to_a_missing_folder_is_refused(emulator):
    with pytest.raises(StoreError, match="could not write"):
        emulator.save("/nowhere/none.safetensors")


def test_the_repr_says_what_a_user_needs(emulator):
    text = repr(emulator)
    for word in ("small", "unet", "wood, field, town", "height", "2.5°", emulator.sha256):
        assert word in text


def test_check_lists_every_mismatch_at_once(world, emulator):
    bad = world.drop_vars("field").copy(deep=True)
    bad["wood"] = bad.wood * 100
    bad["wood"].attrs["units"] = "1"
    bad["height"].attrs["units"] = "kg"
    bad["zone"][0, 0] = 77
    with pytest.raises(InputError) as caught:
        emulator.check(bad)
    problems = caught.value.problems
    assert len(problems) == 4
    for words in ("no variable 'field'", "percent", "'kg'", "77"):
        assert sum(words in problem for problem in problems) == 1


def test_a_resolution_far_from_training_is_refused(world, emulator):
    with pytest.raises(InputError, match="far from the 2.5°"):
        emulator.check(world, target=0.5)


def test_valid_data_pass_the_check(world, emulator):
    emulator.check(world)


def test_units_are_converted(world, emulator):
    """Percent and kilometres give the same map as fractions and metres."""
    other = world.copy(deep=True)
    with xr.set_options(keep_attrs=True):
        other["wood"] = (other.wood * 100).assign_attrs(units="%")
        other["height"] = (other.height / 1000).assign_attrs(units="km")
    one, two = (d.ai4land.reconstruct(emulator).compute() for d in (world, other))
    assert float((one.land_cover == two.land_cover).mean()) > 0.999


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("town"), "no variable 'town'"),
        (lambda d: d.rename(town="towns"), "is it 'towns'"),
        (lambda d: d.assign(wood=d.wood + 0.5), "expected 0 to 1"),
        (lambda d: d.assign(wood=(d.wood.dims, np.ones(d.wood.shape), d.wood.attrs)), "add up to"),
        (lambda d: d.isel(lat=[3], lon=[4]), "1 x 1 cells"),
        (lambda d: d.isel(time=[1, 0]), "not strictly increasing.*sortby"),
        (lambda d: d.isel(time=[0, 0]), "not strictly increasing"),
        (lambda d: d.assign(wood=d.wood.expand_dims(member=2)), "dimension 'member'"),
        (lambda d: d.assign(height=d.height.astype(str)), "expected numbers"),
        (lambda d: d.assign(height=d.height / 0.0), "infinite"),
        (lambda d: d.assign(wood=d.wood * np.nan), "no value at all"),
    ],
)
def test_bad_input_gives_one_clear_error(world, emulator, change, message):
    with pytest.raises(InputError, match=message):
        change(world).ai4land.reconstruct(emulator)


def test_one_time_step_or_no_time_axis_is_accepted(world, emulator):
    one = world.isel(time=[1]).ai4land.reconstruct(emulator)
    none = world.isel(time=1, drop=True).ai4land.reconstruct(emulator)
    assert one.land_cover.dims == ("time", "lat", "lon")
    assert none.land_cover.dims == ("lat", "lon")
    np.testing.assert_array_equal(one.land_cover.values[0], none.land_cover.values)
    assert one.time_bnds.values.astype("M8[Y]").astype(int).tolist() == [[31, 32]]


def test_a_time_axis_without_attributes_is_recognised_by_its_dates(world, emulator):
    bare = world.assign_coords(time=("time", world.time.values))
    made = bare.ai4land.reconstruct(emulator)
    assert made.land_cover.dims == ("time", "lat", "lon")
    assert made.time.attrs["standard_name"] == "time"


def test_other_calendars_are_kept(world, emulator):
    times = xr.date_range("2000", periods=2, freq="YS", calendar="360_day", use_cftime=True)
    noleap = world.assign_coords(time=("time", times, {"standard_name": "time"}))
    made = noleap.ai4land.reconstruct(emulator)
    assert made.time.dt.calendar == "360_day"
    assert made.time_bnds.values[0, 1].year == 2001


def test_static_features_can_be_a_separate_dataset(world, emulator):
    names = ["height", "zone"]
    apart = world.drop_vars(names).ai4land.reconstruct(emulator, static=world[names])
    together = world.ai4land.reconstruct(emulator)
    xr.testing.assert_equal(apart.land_cover.compute(), together.land_cover.compute())


def test_a_speed_is_that_of_the_file_that_was_measured(tmp_path):
    emulator = plain_emulator(small_card())
    assert emulator.speed == ""
    emulator.save(tmp_path / "e.safetensors")
    beside = tmp_path / "e.speed.json"
    for text, expected in (
        (json.dumps({"sha256": emulator.sha256, "speed": "as fast as light"}), "as fast as light"),
        (json.dumps({"sha256": "0" * 64, "speed": "as fast as light"}), ""),
        ("[]", ""),
        ("{", ""),
    ):
        beside.write_text(text)
        found = xai4land.load_emulator(tmp_path / "e.safetensors")
        assert found.speed == expected
        assert ("as fast as light" in repr(found)) == bool(expected)


def test_bundled_emulators_of_maps_say_how_fast_they_are():
    found = map(xai4land.load_emulator, ("sample-landcover", "leaf-area"))
    assert all("pixels a second of one core" in emulator.speed for emulator in found)
