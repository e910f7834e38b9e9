"""Outputs: CF metadata, stores, pictures."""

from __future__ import annotations

import resource
import subprocess
import sys
import textwrap

import dask
import dask.array
import numpy as np
import pytest
import xarray as xr

from xai4land import InputError, StoreError
from xai4land.store import write
from xai4land_land import reconstruct


@pytest.fixture(scope="module")
def made(world, emulator):
    return reconstruct(world.assign_attrs(history="before"), emulator, probabilities=True)


def opened(path, **how):
    how |= {"engine": "zarr", "consolidated": False} if path.suffix == ".zarr" else {}
    return xr.open_dataset(path, **how)


def test_flags_and_coordinates(made, emulator):
    cover = made.land_cover
    assert cover.dtype == np.uint8
    assert cover.attrs["flag_values"].dtype == np.uint8
    assert cover.attrs["flag_meanings"] == "wood field town"
    assert cover.encoding["_FillValue"] == 255
    assert made.attrs["Conventions"] == "CF-1.11"
    assert made.attrs["emulator"] == "small"
    assert made.attrs["emulator_sha256"] == emulator.sha256
    newest, oldest = made.attrs["history"].splitlines()
    assert "emulator small" in newest
    assert oldest == "before"
    for name in ("lat", "lon", "time"):
        assert made[name].attrs["bounds"] == f"{name}_bnds"
    np.testing.assert_allclose(made.lat_bnds[0], [90, 87.5])
    np.testing.assert_allclose(made.lon_bnds[-1], [177.5, 180])


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_store_reads_back_the_same(made, tmp_path, ending):
    path = write(made, tmp_path / f"map{ending}", progress=False)
    again = opened(path, mask_and_scale=False)
    np.testing.assert_array_equal(again.land_cover.values, made.land_cover.values)
    assert again.land_cover.dtype == np.uint8
    decoded = opened(path)
    np.testing.assert_allclose(decoded.confidence.values, made.confidence.values, atol=1e-6)
    np.testing.assert_array_equal(decoded.time.values, made.time.values)
    np.testing.assert_array_equal(decoded.time_bnds.values, made.time_bnds.values)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("gap", [False, True])
def test_the_compliance_checker_finds_no_error(world, emulator, tmp_path, gap):
    from compliance_checker.runner import CheckSuite, ComplianceChecker

    if gap:
        world = world.copy(deep=True)
        world["wood"][:, 3, 3] = np.nan
    made = reconstruct(world, emulator, probabilities=True)
    path = write(made, tmp_path / "map.nc", progress=False)
    suite = CheckSuite()
    suite.load_all_available_checkers()
    newest = max(
        (name for name in suite.checkers if name.startswith("cf:1.")),
        key=lambda name: int(name.split(".")[1]),
    )
    report = tmp_path / "report.txt"
    passed, errors = ComplianceChecker.run_checker(
        str(path), [newest], 0, "strict", output_filename=str(report), output_format="text"
    )
    assert not errors
    assert passed, report.read_text()


def test_an_existing_store_is_kept(made, tmp_path):
    path = write(made[["land_cover"]], tmp_path / "map.zarr", progress=False)
    with pytest.raises(StoreError, match="overwrite=True"):
        write(made, path, progress=False)
    write(made[["confidence"]], path, overwrite=True, progress=False)
    assert set(opened(path).data_vars) == {"confidence"}


SLOW = """
import sys, time
sys.path.append({tests!r})
import dask.array as da, numpy as np, xarray as xr
from xai4land.store import write

def slow(block, block_info=None):
    time.sleep(0.02)
    return block + 1

base = da.from_array(np.arange(240 * 240, dtype="int32").reshape(240, 240), chunks=30)
made = da.map_blocks(slow, base, dtype="int32", name="made-{version}")
dims = ("y", "x")
data = xr.Dataset({{"a": (dims, made), "b": (dims, made * 2), "c": ("y", np.ones(240))}})
print("go", flush=True)
write(data, {path!r}, progress=False)
"""


def slow_run(path, version=1):
    code = SLOW.format(tests=str(path.parent), path=str(path), version=version)
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_run_that_is_killed_goes_on_to_the_same_store(tmp_path, ending):
    """Killed again and again at random moments, then left alone."""
    path = tmp_path / f"map{ending}"
    rng = np.random.default_rng(0)
    killed = 0
    while not path.exists() and killed < 6:
        process = slow_run(path)
        process.stdout.readline()
        try:
            process.wait(timeout=rng.uniform(0.05, 0.6))
        except subprocess.TimeoutExpired:
            process.kill()
            killed += 1
        process.communicate()
    assert killed
    process = slow_run(path) if not path.exists() else None
    if process:
        assert "exists" not in process.communicate()[1]
    values = np.arange(240 * 240).reshape(240, 240) + 1
    store = opened(path)
    np.testing.assert_array_equal(store.a, values)
    np.testing.assert_array_equal(store.b, 2 * values)
    np.testing.assert_array_equal(store.c, 1)
    assert {entry.name for entry in tmp_path.iterdir()} == {path.name}


def test_finished_chunks_are_not_computed_again(tmp_path):
    seen = []

    def data(broken):
        def block(values, block_info=None):
            if broken and block_info[0]["chunk-location"] == (1, 1):
                raise ValueError("no luck")
            seen.append(block_info[0]["chunk-location"])
            return values

        base = dask.array.zeros((40, 40), chunks=20)
        lazy = dask.array.map_blocks(block, base, dtype=float, meta=np.empty(0), name="mine")
        return xr.Dataset({"a": (("y", "x"), lazy)})

    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(ValueError, match="no luck"):
            write(data(True), tmp_path / "map.zarr", progress=False)
        before = list(seen)
        write(data(False), tmp_path / "map.zarr", progress=False)
    assert len(seen) == 4
    assert len(set(seen)) == 4
    assert before


def test_a_store_begun_with_other_data_is_never_continued(world, emulator, tmp_path):
    path, partial = tmp_path / "map.zarr", tmp_path / "map.zarr.partial"
    process = slow_run(path)
    process.stdout.readline()
    while not (partial / "done.txt").exists():
        assert process.poll() is None
    process.kill()
    process.communicate()
    with pytest.raises(StoreError, match="unfinished store of other data"):
        write(reconstruct(world, emulator), path, progress=False)
    assert partial.exists()
    write(reconstruct(world, emulator), path, overwrite=True, progress=False)
    assert "land_cover" in opened(path)
    assert "a" not in opened(path)


def test_a_run_killed_before_its_last_clean_up_can_be_written_again(world, emulator, tmp_path):
    """The finished store has its name, and the folder beside it has only the list left."""
    from xai4land.store.manifest import Manifest
    from xai4land.store.writing import _chunks, _fingerprint

    made = reconstruct(world, emulator)
    path = write(made, tmp_path / "map.zarr", progress=False)
    partial = tmp_path / "map.zarr.partial"
    partial.mkdir()
    labels = [label for _, _, label, _ in _chunks(made)]
    Manifest(_fingerprint(made), made.attrs["title"], len(labels)).write(partial)
    (partial / "done.txt").write_text("\n".join([*labels, ""]))
    write(made, path, overwrite=True, progress=False)
    again = opened(path, mask_and_scale=False)
    np.testing.assert_array_equal(again.land_cover.values, made.land_cover.values)
    assert not partial.exists()


def test_a_second_writer_is_refused(tmp_path):
    path = tmp_path / "map.zarr"
    first = slow_run(path)
    first.stdout.readline()
    while not (tmp_path / "map.zarr.partial" / "done.txt").exists():
        assert first.poll() is None
    second = slow_run(path)
    assert "another process is writing" in second.communicate()[1]
    first.communicate()
    assert first.returncode == 0
    assert path.exists()


def test_places_and_formats_that_cannot_be(made, tmp_path):
    with pytest.raises(InputError, match=r"\.zarr or \.nc"):
        write(made, tmp_path / "map.tif")
    with pytest.raises(StoreError, match="no folder"):
        write(made, tmp_path / "none" / "map.zarr")


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_run_that_fails_leaves_nothing_that_looks_whole(world, emulator, tmp_path, ending):
    bad = world.copy(deep=True)
    bad["town"][1, 2, 3] = 1.7
    path = tmp_path / f"map{ending}"
    with pytest.raises(InputError, match="in the block from"):
        write(reconstruct(bad.chunk(), emulator), path, progress=False)
    assert not path.exists()


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
def test_a_disk_that_fills(tmp_path, ending):
    """A limit on the size of files stands in for a full disk: the write itself fails."""
    script = textwrap.dedent(
        f"""
        import resource, signal
        import numpy as np, xarray as xr
        import xai4land
        from xai4land.store import write
        noise = np.random.default_rng(0).integers(0, 255, (2000, 2000), dtype=np.uint8)
        data = xr.Dataset({{"a": (("y", "x"), noise)}}).chunk(y=1000)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            write(data, r"{tmp_path}/map{ending}", progress=False)
        except xai4land.StoreError as error:
            print("refused:", error)
        """
    )
    assert resource.RLIM_INFINITY in resource.getrlimit(resource.RLIMIT_FSIZE)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert "refused: could not write" in done.stdout, done.stderr
    assert "which is not whole" in done.stdout
    assert not (tmp_path / f"map{ending}").exists()


def test_pictures_are_drawn(made, world, tmp_path):
    figure = made.ai4land.plot()
    figure.savefig(tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
    titles = [
        axis.get_title() for axis in made.ai4land.plot(beside={"truth": made.land_cover}).axes
    ]
    assert titles == ["coarse majority", "land cover", "truth"]
    with pytest.raises(InputError, match="reconstruct"):
        world.ai4land.plot()
