"""Maps of years that follow each other are written year by year, each from the one in the store."""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dask
import numpy as np
import pytest
import xarray as xr
from dask.callbacks import Callback
from hypothesis import given, settings
from hypothesis import strategies as st
from step_chains import DIMS, SIDE, make_chain, make_maps

from xai4land.inference.chain import stack_chains
from xai4land.store import open_store, parts, write

FORWARD, BACKWARD = tuple(range(5)), tuple(range(4, -1, -1))
BLOCKS = (3, 4)
SHAPE = (SIDE * 3, SIDE * 4)
N_BLOCKS = 12


@pytest.fixture
def few_files(monkeypatch):
    """Shards from ten chunks on, as if they were a thousand."""
    monkeypatch.setattr(parts, "MAX_FILES", 10)
    monkeypatch.setattr(parts, "MIN_SHARDS", 4)


def chain(order=FORWARD, name="chain", on_block=lambda *_: None, blocks=BLOCKS):
    """Make a dataset of a carried map and how sure it is."""
    carried, sure = make_chain(name, order, blocks, on_block)
    out = xr.Dataset(
        {"cover": (DIMS, carried), "sure": (DIMS, sure)}, {"time": np.arange(len(order)) + 1850}
    )
    out.cover.encoding["_FillValue"] = np.uint8(255)
    return out


def counter():
    """Make a counter of blocks, and the function that tells it of one."""
    counted = Counter()
    return counted, lambda *block: counted.update([block])


def check(path, order=FORWARD, shape=SHAPE):
    maps = make_maps(order, shape)
    with xr.open_dataset(path, mask_and_scale=False) as store:
        np.testing.assert_array_equal(store.time, np.arange(len(order)) + 1850)
        np.testing.assert_array_equal(store.cover, maps)
        np.testing.assert_array_equal(store.sure, maps / 251)
    assert maps[:, SIDE:, SIDE:].std() > 50, "the maps are no test of anything"


def files(store):
    return {p.relative_to(store): p.read_bytes() for p in store.rglob("*") if p.is_file()}


def list_left(path, order, variables=("cover", "sure")):
    """List the blocks of which some variable is not in the unfinished store."""
    listed = path.with_name(f"{path.name}.partial") / "done.txt"
    done = {tuple(json.loads(line)) for line in listed.read_text().split()}
    every = [(t, i, j) for t in order for i, j in np.ndindex(*BLOCKS)]
    return {at for at in every if not all((name, *at) in done for name in variables)}


@pytest.mark.parametrize("ending", [".zarr", ".nc"])
@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
def test_each_block_is_computed_once_in_the_order_of_the_steps(tmp_path, order, ending):
    seen = []
    out = chain(order, on_block=lambda _, t, *at: seen.append((t, *at)))
    path = write(out, tmp_path / f"map{ending}", progress=False)
    check(path, order)
    assert len(seen) == len(set(seen)) == len(order) * N_BLOCKS
    assert [t for t, *_ in seen] == [t for t in order for _ in range(N_BLOCKS)]


def test_format_2_is_written_step_by_step_too(tmp_path):
    path = write(chain(BACKWARD), tmp_path / "map.zarr", zarr_format=2, progress=False)
    check(path, BACKWARD)


@pytest.mark.usefixtures("few_files")
def test_a_shard_holds_blocks_of_one_step(tmp_path):
    counted, tell = counter()
    out = chain(on_block=tell)
    out["turned"] = out.sure.transpose("y", "time", "x")
    path = write(out, tmp_path / "map.zarr", progress=False)
    check(path)
    assert set(counted.values()) == {1}
    for variable in xr.open_zarr(path)[["cover", "sure", "turned"]].values():
        shard = dict(zip(variable.dims, variable.encoding["shards"], strict=True))
        assert shard["time"] == 1
        assert shard["y"] * shard["x"] > SIDE**2


def test_progress_is_that_of_all_steps(tmp_path, capsys):
    write(chain(), tmp_path / "map.zarr")
    assert capsys.readouterr().err.count("100%") == 1


def count_tasks(tmp_path, steps):
    """Count the tasks of the largest graph that is run at once."""
    sizes = []
    out = chain(tuple(range(steps)), f"count-{steps}")
    out["twice"] = 2 * out.sure
    with Callback(start=lambda graph: sizes.append(len(graph))):
        write(out, tmp_path / f"{steps}.zarr", progress=False)
    assert len(sizes) == steps
    return max(sizes)


def test_graphs_do_not_grow_with_the_number_of_steps(tmp_path):
    assert count_tasks(tmp_path, 16) == count_tasks(tmp_path, 4)


@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
@pytest.mark.parametrize("fails", [(0, 0, 0), (0, 2, 3), (2, 1, 1), (4, 2, 3)])
def test_a_run_that_failed_goes_on_with_what_is_left(tmp_path, order, fails):
    path = tmp_path / "map.zarr"

    def fail(_, *block):
        if block == fails:
            raise RuntimeError("no luck")

    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(RuntimeError, match="no luck") as raised:
            write(chain(order, on_block=fail), path, progress=False)
        t, i, j = fails
        assert f"time {t}:{t + 1}, y {4 * i}:{4 * i + 4}, x {4 * j}" in raised.value.__notes__[-1]
        begun = path.with_name("map.zarr.partial").exists()
        left = (
            list_left(path, order)
            if begun
            else {(t, *at) for t in order for at in np.ndindex(BLOCKS)}
        )
        counted, tell = counter()
        write(chain(order, on_block=tell), path, progress=False)
    check(path, order)
    assert counted == Counter(("chain", *at) for at in left)
    # What steps before have finished is read.
    assert {order.index(t) for t, *_ in left} == set(range(order.index(fails[0]), len(order)))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import dask, numpy as np, xarray as xr, zarr
from step_chains import DIMS, make_chain
from xai4land.store import parts, steps, write

dask.base.get_scheduler()  # it imports what it looks for, once for all runs
folder, shards = Path(sys.argv[1]), sys.argv[3] == "True"
order = (4, 3, 2, 1, 0)
if shards:
    parts.MAX_FILES, parts.MIN_SHARDS = 10, 20

def run(path, log, most):
    left = [most]

    def tell(_, *block):
        with open(log, "a") as noted:
            print(*block, file=noted)
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)

    carried, sure = make_chain("chain", order, on_block=tell)
    out = xr.Dataset({"cover": (DIMS, carried), "sure": (DIMS, sure)}, {"time": range(1850, 1855)})
    out.cover.encoding["_FillValue"] = np.uint8(255)
    write(out, path, progress=False)

def fork(*of):
    if not (child := os.fork()):
        try:
            with dask.config.set(scheduler="threads", num_workers=2):
                run(*of)
            os._exit(0)
        finally:
            os._exit(1)
    return os.waitpid(child, 0)[1]

assert fork(folder / "whole.zarr", folder / "whole.log", -1) == 0
for run_number in range(40):
    status = fork(folder / "map.zarr", folder / f"{run_number:02}.log", int(sys.argv[4]))
    if status == 0:
        break
    assert os.WIFSIGNALED(status), status
else:
    sys.exit("it does not get on")
"""


@pytest.mark.parametrize(("shards", "most"), [(False, 7), (False, 13), (True, 11)])
def test_a_rollout_killed_again_and_again_never_begins_anew(tmp_path, shards, most):
    tests = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", KILLED, str(tmp_path), tests, str(shards), str(most)]
    run = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    check(tmp_path / "map.zarr", BACKWARD)
    assert files(tmp_path / "map.zarr") == files(tmp_path / "whole.zarr")
    runs = [
        [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
        for log in sorted(tmp_path.glob("[0-9]*.log"))
    ]
    assert len(runs) >= 5
    # Each run begins in the step that the one before has reached, or the next.
    for before, after in itertools.pairwise(runs):
        assert {t for t, *_ in after} <= set(range(min(t for t, *_ in before) + 1))
    # A kill costs what was being computed: the parts at hand, of two threads.
    at_hand = 2 * (4 if shards else 2)
    assert sum(map(len, runs)) <= 5 * N_BLOCKS + at_hand * (len(runs) - 1)


@given(
    steps=st.integers(1, 4),
    blocks=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    backward=st.booleans(),
    limits=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(8, 200)),
    fails=st.integers(0, 40),
)
@settings(max_examples=20, deadline=None)
def test_any_chain_in_any_shards_goes_on_from_any_block(
    tmp_path_factory, steps, blocks, backward, limits, fails
):
    order = tuple(range(steps))[:: -1 if backward else 1]
    path, left = tmp_path_factory.mktemp("any") / "map.zarr", [fails]

    def fail(*_):
        left[0] -= 1
        if left[0] == 0:
            raise RuntimeError("no luck")

    with pytest.MonkeyPatch.context() as patch:
        for name, limit in zip(("MAX_FILES", "MIN_SHARDS", "MAX_SHARD_BYTES"), limits, strict=True):
            patch.setattr(parts, name, limit)
        for _ in range(2):
            try:
                write(chain(order, on_block=fail, blocks=blocks), path, progress=False)
                break
            except RuntimeError:
                continue
    maps = make_maps(order, tuple(SIDE * n for n in blocks))
    np.testing.assert_array_equal(xr.open_dataset(path, mask_and_scale=False).cover, maps)


# Other variables beside the carried one


@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
def test_what_needs_neighbouring_years_costs_no_block_twice(tmp_path, order):
    """Also where the year before is the later step, or where all years are needed."""
    counted, tell = counter()
    out = chain(order, on_block=tell)
    out["changed"] = out.cover != out.cover.shift(time=1, fill_value=0)
    out["often"] = (out.cover > 100).mean("time")
    path = write(out.assign_attrs(title="changes"), tmp_path / "map.zarr", progress=False)
    check(path, order)
    assert set(counted.values()) == {1}
    maps = make_maps(order, SHAPE)
    store = open_store(path)
    assert store.title == "changes"
    before = np.concatenate([np.zeros_like(maps[:1]), maps[:-1]])
    np.testing.assert_array_equal(store.changed, maps != before)
    np.testing.assert_array_equal(store.often, (maps > 100).mean(0))


def test_a_variable_of_its_own_is_written_step_by_step_beside(tmp_path):
    """It needs no map, but a step's graph has its own step of it alone."""
    other = dask.array.arange(5, chunks=1)[:, None, None] * dask.array.ones(SHAPE, chunks=SIDE)
    sizes = []
    with Callback(start=lambda graph: sizes.append(len(graph))):
        path = write(chain().assign(other=(DIMS, other)), tmp_path / "map.zarr", progress=False)
    check(path)
    assert max(sizes[1:]) == min(sizes[1:])
    np.testing.assert_array_equal(open_store(path).other[:, 0, 0], np.arange(5))


def two_chains(tell):
    forward, back = (chain(o, n, tell) for o, n in ((FORWARD, "forward"), (BACKWARD, "back")))
    weight = xr.DataArray(np.linspace(1, 0, 5), dims="time")
    return xr.Dataset(
        {
            "blend": weight * forward.cover + (1 - weight) * back.cover,
            "early": forward.cover,
            "late": back.cover,
        }
    )


def test_two_chains_and_what_depends_on_both(tmp_path):
    counted, tell = counter()
    sizes = []
    with Callback(start=lambda graph: sizes.append(len(graph))):
        path = write(two_chains(tell), tmp_path / "map.zarr", progress=False)
    early, late = make_maps(FORWARD, SHAPE), make_maps(BACKWARD, SHAPE)
    weight = np.linspace(1, 0, 5)[:, None, None]
    with xr.open_dataset(path, mask_and_scale=False) as store:
        np.testing.assert_array_equal(store.early, early)
        np.testing.assert_array_equal(store.late, late)
        np.testing.assert_array_equal(store.blend, weight * early + (1 - weight) * late)
    assert len(counted) == 2 * 5 * N_BLOCKS
    assert set(counted.values()) == {1}
    assert len(sizes) == 10


def members(order=FORWARD, tell=lambda *_: None):
    """Make the carried maps of two members, and how sure each is, along a second dimension."""
    chains = [make_chain(name, order, BLOCKS, tell) for name in ("first", "second")]
    dims = "time", "member", "y", "x"
    return xr.Dataset(
        {
            name: (dims, stack_chains(arrays))
            for name, arrays in zip(("cover", "sure"), zip(*chains, strict=True), strict=True)
        },
        {"time": np.arange(len(order)) + 1850},
    )


def check_members(path, order):
    maps = make_maps(order, SHAPE)[:, None]
    with xr.open_dataset(path, mask_and_scale=False) as store:
        assert store.cover.shape == (len(order), 2, *SHAPE)
        np.testing.assert_array_equal(store.cover, np.broadcast_to(maps, store.cover.shape))
        np.testing.assert_array_equal(store.sure, store.cover / 251)


@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
def test_members_are_written_step_by_step_together(tmp_path, order):
    seen, sizes = [], []
    out = members(order, lambda _, t, *at: seen.append((t, *at)))
    with Callback(start=lambda graph: sizes.append(len(graph))):
        path = write(out, tmp_path / "map.zarr", progress=False)
    check_members(path, order)
    assert [t for t, *_ in seen] == [t for t in order for _ in range(2 * N_BLOCKS)]
    assert len(sizes) == len(order)
    assert max(sizes[1:]) == min(sizes[1:])


@pytest.mark.parametrize("fails", [("first", 0, 0, 0), ("second", 2, 1, 1), ("first", 4, 2, 3)])
def test_members_go_on_in_the_block_and_member_that_was_reached(tmp_path, fails):
    path = tmp_path / "map.zarr"

    def fail(*block):
        if block == fails:
            raise RuntimeError("no luck")

    with dask.config.set(scheduler="synchronous"):
        with pytest.raises(RuntimeError, match="no luck"):
            write(members(tell=fail), path, progress=False)
        counted, tell = counter()
        write(members(tell=tell), path, progress=False)
    check_members(path, FORWARD)
    assert set(counted.values()) == {1}
    assert {t for _, t, *_ in counted} == set(range(fails[1], len(FORWARD)))
    # What the step had of both members is there.
    assert sum(t == fails[1] for _, t, *_ in counted) <= 2 * N_BLOCKS
    assert fails in counted


def test_two_chains_go_on_in_the_one_that_was_reached(tmp_path):
    path = tmp_path / "map.zarr"

    def fail(name, *block):
        if (name, *block) == ("back", 3, 0, 0):
            raise RuntimeError("no luck")

    with dask.config.set(scheduler="synchronous"), pytest.raises(RuntimeError, match="no luck"):
        write(two_chains(fail), path, progress=False)
    counted, tell = counter()
    write(two_chains(tell), path, progress=False)
    assert {name for name, *_ in counted} == {"back"}
    assert sorted({t for _, t, *_ in counted}) == [0, 1, 2, 3]
    weight = np.linspace(1, 0, 5)[:, None, None]
    blend = weight * make_maps(FORWARD, SHAPE) + (1 - weight) * make_maps(BACKWARD, SHAPE)
    np.testing.assert_array_equal(open_store(path).blend, blend)


@pytest.mark.parametrize(
    "change",
    [
        lambda out: out.isel(time=slice(1, 4)),
        lambda out: out.isel(time=[4]),
        lambda out: out.isel(time=slice(None, None, -1)),
        lambda out: out + 0,
        lambda out: out.isel(x=slice(3, 11)),
        lambda out: out.chunk(time=2),
        lambda out: out.transpose("y", "time", "x"),
        lambda out: out.rename(time="year"),
        lambda out: out[["sure"]],
        lambda out: out.assign(copy=out.cover),
        lambda out: out.assign(cover=out.cover.isel(x=slice(8)).rename(x="x8")),
    ],
)
@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
def test_what_was_selected_or_computed_from_a_rollout_is_right(tmp_path, order, change):
    counted, tell = counter()
    changed = change(chain(order, on_block=tell))
    path = write(changed, tmp_path / "map.zarr", progress=False)
    assert set(counted.values()) == {1}
    expected = change(chain(order)).compute(scheduler="synchronous")
    with xr.open_dataset(path, mask_and_scale=False) as store:
        xr.testing.assert_equal(store.load(), expected)


# Workers


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.parametrize("order", [FORWARD, BACKWARD])
def test_workers_write_step_by_step(client, tmp_path, caplog, order):
    log = tmp_path / "blocks.log"

    def tell(*block):
        with open(log, "a") as noted:
            print(*block, file=noted)

    # Where the scheduler would say that it mixes up tasks of two steps.
    logging.getLogger("distributed.scheduler").addHandler(caplog.handler)
    path = write(chain(order, f"workers-{order[0]}", tell), tmp_path / "map.zarr", progress=False)
    check(path, order)
    blocks = log.read_text().splitlines()
    assert len(blocks) == len(set(blocks)) == 5 * N_BLOCKS
    logging.getLogger("distributed.scheduler").removeHandler(caplog.handler)
    assert "run_spec" not in caplog.text


def test_workers_go_on_from_the_store(client, tmp_path):
    path, log = tmp_path / "map.zarr", tmp_path / "blocks.log"

    def fail(_, *block):
        if block == (2, 1, 1):
            raise RuntimeError("no luck")

    def tell(_, t, *at):
        with open(log, "a") as noted:
            print(t, file=noted)

    with pytest.raises(RuntimeError, match="no luck"):
        write(chain(on_block=fail, name="resumed"), path, progress=False)
    write(chain(on_block=tell, name="resumed"), path, progress=False)
    check(path)
    assert set(log.read_text().split()) == {"2", "3", "4"}
