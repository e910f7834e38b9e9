"""With workers of dask.distributed the same calls give the same answers and stores."""

from __future__ import annotations

import os
import signal
import threading
import time

import dask
import dask.array as da
import numpy as np
import pytest
import xarray as xr
from dask.highlevelgraph import HighLevelGraph

from object_stores import Place, start_s3
from xai4land.cluster import NEIGHBOURS
from xai4land.store import parts, write
from xai4land_land import reconstruct

distributed = pytest.importorskip("distributed")


def start_cluster(workers):
    return distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None)


@pytest.fixture(scope="module")
def client():
    with start_cluster(2) as cluster, distributed.Client(cluster) as client:
        yield client


def slow_dataset(seconds, name, failing_block=None, neighbours=False, gate=None):
    """Make two variables of 64 blocks, which wait for a gate file; ``failing_block`` raises."""

    def block(values, number):
        while gate and not gate.exists():
            time.sleep(0.01)
        time.sleep(seconds)
        if number == failing_block:
            raise RuntimeError("no luck")
        return values + 1

    base = da.from_array(np.arange(6400).reshape(80, 80), chunks=10, name=f"{name}-base")
    # Named here, since a run is resumed only if the names are the same.
    tasks = {(name, *at): (block, (base.name, *at), at) for at in np.ndindex(8, 8)}
    graph = HighLevelGraph.from_collections(name, tasks, [base])
    graph.layers[name].collection_annotations = {NEIGHBOURS: (1, 2)} if neighbours else None
    both = da.Array(graph, name, base.chunks, dtype=int)
    return xr.Dataset({"a": (("y", "x"), both), "b": (("y", "x"), 2 * both)})


def check_store(path):
    values = np.arange(6400).reshape(80, 80) + 1
    with xr.open_zarr(path, chunks=None) as store:
        np.testing.assert_array_equal(store.a, values)
        np.testing.assert_array_equal(store.b, 2 * values)


def count_done_parts(path):
    """Count the parts that the unfinished store of a path lists."""
    listed = path.with_name(f"{path.name}.partial") / "done.txt"
    try:
        return len(listed.read_text().split())
    except FileNotFoundError:  # not begun, or finished meanwhile
        return 0


def run_when_done(path, parts, action):
    """Run an action as soon as so many parts are done."""

    def watch():
        while count_done_parts(path) < parts:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def test_workers_give_the_same_map_and_store(client, world, emulator, tmp_path):
    result = reconstruct(world, emulator, chunks=36)
    on_workers = result.compute()
    result.ai4land.write(tmp_path / "map.zarr", progress=False)
    on_threads = result.compute(scheduler="threads")
    np.testing.assert_array_equal(on_threads.land_cover, on_workers.land_cover)
    np.testing.assert_allclose(on_threads.confidence, on_workers.confidence, atol=0.011)
    stored = xr.open_zarr(tmp_path / "map.zarr", chunks=None, mask_and_scale=False)
    np.testing.assert_array_equal(stored.land_cover, on_workers.land_cover)


def test_workers_write_to_an_object_store(client):
    """They get its address, and how it is reached, by the tasks."""
    data = xr.Dataset({"a": (("y", "x"), da.arange(400, chunks=200).reshape(20, 20))})
    with start_s3() as server:
        place = Place("s3://bucket", server.options)
        place.write(data.chunk(x=10))
        np.testing.assert_array_equal(place.open().a, np.arange(400).reshape(20, 20))


def count_windows():
    """Count the windows that go through the network in this process from now on."""
    from xai4land.inference.forward import Forward

    def counting(self, windows, features):
        Forward.counted += len(windows)
        return Forward.plain(self, windows, features)

    Forward.counted, Forward.plain, Forward.__call__ = 0, Forward.__call__, counting


def stop_counting():
    from xai4land.inference.forward import Forward

    Forward.__call__ = Forward.plain
    return Forward.counted


def count_executed_tasks(client):
    """Count the tasks that each worker has computed so far."""
    return client.run(lambda dask_worker: dask_worker.state.executed_count)


@pytest.mark.parametrize("names", [["land_cover"], ["land_cover", "confidence"]])
def test_workers_share_no_windows(world, emulator, tmp_path, names):
    result = reconstruct(world, emulator, chunks=36)[names]  # two years, a worker each
    count_windows()
    result.compute(scheduler="sync")
    once = stop_counting()
    with (
        dask.config.set({"distributed.scheduler.work-stealing": False}),
        start_cluster(2) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.run(count_windows)
        write(result, tmp_path / "map.zarr", progress=False)
        assert sum(client.run(stop_counting).values()) == once


def test_workers_that_join_later_help(tmp_path):
    path, gate = tmp_path / "map.zarr", tmp_path / "gate"

    def grow():
        cluster.scale(4)
        client.wait_for_workers(4)
        gate.touch()

    with start_cluster(2) as cluster, distributed.Client(cluster) as client:
        first = set(client.scheduler_info()["workers"])
        timer = threading.Timer(0.5, grow)
        timer.start()
        write(slow_dataset(0.05, "late", neighbours=True, gate=gate), path, progress=False)
        timer.join()
        ran = count_executed_tasks(client)
        assert min(count for address, count in ran.items() if address not in first) > 4
    check_store(path)


def test_the_caller_chooses_the_workers(client, tmp_path):
    before = count_executed_tasks(client)
    chosen, other = before
    with dask.annotate(workers=[chosen]):
        write(slow_dataset(0, "chosen", neighbours=True), tmp_path / "map.zarr", progress=False)
    check_store(tmp_path / "map.zarr")
    assert count_executed_tasks(client)[other] == before[other]
    assert count_executed_tasks(client)[chosen] > before[chosen] + 64


@pytest.mark.parametrize("neighbours", [False, True])
@pytest.mark.parametrize("shards", [False, True])
def test_a_killed_worker_costs_time_only(client, tmp_path, monkeypatch, shards, neighbours):
    if shards:
        monkeypatch.setattr(parts, "MAX_FILES", 10)
        monkeypatch.setattr(parts, "MIN_SHARDS", 16)
    path = tmp_path / "map.zarr"
    workers = client.scheduler_info()["workers"]
    victim = client.run(os.getpid)[next(iter(workers))]
    watch = run_when_done(path, 4, lambda: os.kill(victim, signal.SIGKILL))
    write(
        slow_dataset(0.02, f"killed-{shards}-{neighbours}", neighbours=neighbours),
        path,
        progress=False,
    )
    assert not watch.is_alive()
    check_store(path)
    client.wait_for_workers(2)
    assert victim not in client.run(os.getpid).values()


def test_progress_is_shown_and_results_are_released(client, tmp_path, capsys):
    held = []
    watch = run_when_done(tmp_path / "map.zarr", 100, lambda: held.append(len(client.futures)))
    write(slow_dataset(0.005, "progress"), tmp_path / "map.zarr")
    watch.join()
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert "Mpx/s" in shown
    # A hundred of 128 were done, and released.
    assert held[0] < 60
    for _ in range(100):  # another thread releases the last one
        if not client.futures:
            break
        time.sleep(0.1)
    assert not client.futures


def test_ctrl_c_cancels_the_rest_and_the_run_can_be_resumed(client, tmp_path):
    path, main = tmp_path / "map.zarr", threading.main_thread().ident
    run_when_done(path, 4, lambda: signal.pthread_kill(main, signal.SIGINT))
    with pytest.raises(KeyboardInterrupt) as stop:
        write(slow_dataset(0.05, "stopped"), path, progress=False)
    assert "run the same again to go on" in stop.value.__notes__[0]
    # Running tasks are finished, and no new one begins.
    time.sleep(0.5)
    kept = count_done_parts(path)
    time.sleep(0.5)
    assert 4 <= count_done_parts(path) == kept < 128
    write(slow_dataset(0, "stopped"), path, progress=False)
    check_store(path)


def test_a_task_that_raises_is_reported_with_its_chunk(client, tmp_path):
    path = tmp_path / "map.zarr"
    with pytest.raises(RuntimeError, match="no luck") as raised:
        write(slow_dataset(0, "raises", failing_block=(5, 5)), path, progress=False)
    assert "(y 50:60, x 50:60)" in raised.value.__notes__[-1]
    write(slow_dataset(0, "raises"), path, progress=False)
    check_store(path)


def test_a_client_writes_netcdf_too(client, tmp_path):
    path = write(slow_dataset(0, "netcdf"), tmp_path / "map.nc", progress=False)
    np.testing.assert_array_equal(
        xr.open_dataset(path).b, 2 * (np.arange(6400).reshape(80, 80) + 1)
    )


def test_a_relative_path_is_the_clients(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(slow_dataset(0, "relative"), "map.zarr", progress=False)
    check_store(tmp_path / "map.zarr")
