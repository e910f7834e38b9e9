"""What an S3 server does and may do: conditions, kills, a busy server, lost answers, keys."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import numpy as np
import pytest
import requests
import xarray as xr

import xai4land
from folder_server import Folder
from object_stores import Place, plain, start_s3
from xai4land import InputError, StoreError, open_store, set_options, write
from xai4land.store import lease

SIGNS = ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL")


@pytest.fixture(scope="module")
def server():
    with start_s3() as server:
        yield server
        assert not server.faults, "each fault was met"


@pytest.fixture
def place(server):
    server.faults.clear()
    return Place("s3://bucket", server.options)


@pytest.fixture
def no_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in SIGNS:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


# The server itself, asked without any of our code


def put(server, key, body, **conditions):
    from s3_server import SIGNED

    headers = {name.replace("_", "-"): value for name, value in conditions.items()}
    url = f"{server.endpoint}/bucket/{key}"
    return requests.put(url, body, headers={"Authorization": SIGNED, **headers}, timeout=30)


def test_the_server_refuses_writes_whose_condition_fails(server):
    """Else all tests of several writers would be none."""
    first = put(server, "raw", b"1", If_None_Match="*")
    assert first.status_code == 200
    assert put(server, "raw", b"2", If_None_Match="*").status_code == 412
    second = put(server, "raw", b"3", If_Match=first.headers["ETag"])
    assert second.status_code == 200
    assert put(server, "raw", b"4", If_Match=first.headers["ETag"]).status_code == 412
    assert put(server, "none", b"5", If_Match=first.headers["ETag"]).status_code in (404, 412)


def test_of_several_that_write_at_once_one_succeeds(place):
    together, winners = threading.Barrier(8, timeout=60), []

    def race(number):
        objects = place.objects
        for key in range(6):
            together.wait()
            if objects.create(f"race{key}", str(number).encode()):
                winners.append((key, number))

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(key for key, _ in winners) == list(range(6))
    for key, number in winners:
        assert place.objects.read(f"race{key}").content == str(number).encode()


def test_a_server_that_overlooks_conditions_is_told(place, server):
    server.conditions = False
    try:
        with pytest.warns(UserWarning, match="overlooks conditions.*start one at a time"):
            place.write(plain()[0])
    finally:
        server.conditions = True
    xr.testing.assert_identical(place.open().load(), plain()[0].compute())


# A server that is busy, and a network that breaks off


def test_a_busy_server_and_a_broken_network_only_take_time(place, server):
    from s3_server import drop, lose_answer, slow_down

    server.faults += [
        ("PUT", slow_down),
        ("PUT", slow_down),
        ("/done/", lose_answer),
        ("/a/c/", drop),
        ("/a/c/", lose_answer),
        ("GET", slow_down),
        ("map.zarr/zarr.json", drop),
    ]
    data = plain()[0]
    place.write(data)
    assert not server.faults
    server.faults += [("GET", slow_down), ("GET", drop)]
    xr.testing.assert_identical(place.open().load(), data.compute())


@pytest.mark.parametrize("key", ["map.zarr.partial/lock.json", "map.zarr/zarr.json"])
def test_an_answer_that_is_lost_is_no_other_writer(place, server, key, monkeypatch):
    """The second try is refused, since the first one did succeed."""
    from s3_server import lose_answer

    monkeypatch.setattr(lease.time, "sleep", lambda _: pytest.fail("waited"))
    server.faults.append((f"PUT {place.url.removeprefix('s3:/')}/{key}", lose_answer))
    data = plain()[0]
    place.write(data)
    assert not server.faults
    xr.testing.assert_identical(place.open().load(), data.compute())


def test_a_server_that_stays_busy_is_told_and_what_was_finished_stays(place, server, monkeypatch):
    from s3_server import slow_down
    from xai4land.store import clouds

    monkeypatch.setattr(clouds, "MIN_RETRIES", 1)
    server.faults += [("/b/c/1/1", slow_down)] * 3
    with set_options(retries=1), pytest.raises(StoreError) as refused:
        place.write(plain()[0])
    server.faults.clear()
    told = str(refused.value)
    assert f"could not write {place.url}/map.zarr/b/c/1/1: " in told
    assert "503" in told
    assert "SlowDown" in told
    assert "run the same again" in told
    before = place.done()
    data, seen = plain()
    place.write(data)
    assert 2 * len(seen) <= 8 - before + 1
    xr.testing.assert_identical(place.open().load(), data.compute())


# Keys


@pytest.mark.parametrize("own", [{"key": "AKIAWRONG", "secret": "a-wrong-secret"}, {"anon": True}])
def test_wrong_keys_are_told_with_address_and_remedy_and_not_shown(place, server, own):
    options = {**own, "endpoint_url": server.endpoint}
    for use, error in (
        (lambda: write(plain()[0], f"{place.url}/map.zarr", storage_options=options), StoreError),
        (lambda: open_store(f"{place.url}/map.zarr", storage_options=options), InputError),
    ):
        with pytest.raises(error) as refused:
            use()
        told = str(refused.value)
        assert f"{place.url}/map.zarr" in told
        assert "access is denied" in told
        assert "AWS_ACCESS_KEY_ID" in told
        assert "storage_options={'key'" in told
        assert "\n" not in told
        assert refused.value.__cause__ is None
        assert refused.value.__suppress_context__
        assert not any(secret in told for secret in ("AKIA", "a-wrong-secret"))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://nowhere/map.zarr", "no such bucket"),
        ("s3://bucket/none.zarr", "cannot read s3://bucket/none.zarr as a Zarr store: there is"),
        ("s3://bucket/none.nc", "there is no s3://bucket/none.nc"),
    ],
)
def test_what_is_not_there_is_told(server, address, words):
    with pytest.raises(InputError, match=words):
        open_store(address, storage_options=server.options)


def test_a_server_that_is_not_there_is_told(no_credentials):
    from xai4land.store import clouds

    no_credentials.setattr(clouds, "MIN_RETRIES", 1)
    options = {"endpoint_url": "http://127.0.0.1:9", "anon": True}
    with (
        set_options(retries=1),
        pytest.raises(InputError, match="s3://bucket/map.zarr/.*cannot be reached"),
    ):
        open_store("s3://bucket/map.zarr", storage_options=options)


def test_an_unknown_option_is_told(no_credentials):
    with pytest.raises(InputError, match="storage_options of kee: .*anon, endpoint_url, key"):
        open_store("s3://bucket/map.zarr", storage_options={"kee": "AKIA"})


def test_keys_are_in_no_object_no_note_and_no_history(place, server):
    from s3_server import KEY, SECRET, slow_down

    data = plain()[0]
    place.write(data, "states.zarr")
    seen: dict[str, bytes] = {}
    lazy = place.open("states.zarr")
    server.faults.append(("map.zarr.partial/manifest", slow_down))

    def look():
        seen.update({key: place.objects.read(key).content for key in place.objects.list("")})

    looked = lazy.a.data.map_blocks(lambda v: (look(), v)[1], meta=np.empty((0, 0), int))
    place.write(xr.Dataset({"a": (("y", "x"), looked)}, attrs=lazy.attrs))
    look()
    assert any(key.endswith("manifest.json") for key in seen)
    notes = Path(xai4land.options.get_options().cache).rglob("*.json")
    everything = b"".join([*seen.values(), *(note.read_bytes() for note in notes)])
    for secret in (KEY, SECRET):
        assert secret.encode() not in everything
    assert SECRET not in repr(place.open()) + repr(place.open().encoding)


def test_keys_come_from_the_environment_or_a_profile(place, server, no_credentials, tmp_path):
    from s3_server import KEY, SECRET

    data = plain()[0]
    no_credentials.setenv("AWS_ENDPOINT_URL", server.endpoint)
    no_credentials.setenv("AWS_ACCESS_KEY_ID", KEY)
    no_credentials.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    write(data, f"{place.url}/map.zarr", progress=False)
    xr.testing.assert_identical(open_store(f"{place.url}/map.zarr").load(), data.compute())
    no_credentials.delenv("AWS_ACCESS_KEY_ID")
    no_credentials.delenv("AWS_SECRET_ACCESS_KEY")
    pytest.importorskip("boto3")
    (tmp_path / ".aws").mkdir()
    keys = f"aws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    (tmp_path / ".aws" / "credentials").write_text(f"[work]\n{keys}")
    opened = open_store(f"{place.url}/map.zarr", storage_options={"profile": "work"})
    xr.testing.assert_identical(opened.load(), data.compute())
    with pytest.raises(InputError, match="the profile 'none' gives no credentials"):
        open_store(f"{place.url}/map.zarr", storage_options={"profile": "none"})


def test_a_public_bucket_is_read_by_nobody_and_not_written(server, no_credentials):
    data = plain()[0]
    public = Place("s3://public", server.options)
    public.write(data)
    no_credentials.setenv("AWS_ENDPOINT_URL", server.endpoint)
    for options in (None, {"anon": True}):
        opened = open_store(f"{public.url}/map.zarr", storage_options=options)
        xr.testing.assert_identical(opened.load(), data.compute())
    with pytest.raises(StoreError, match="access is denied"):
        write(data, f"{public.url}/new.zarr", progress=False, storage_options={"anon": True})


def test_a_file_is_read_from_a_copy_that_is_renewed(place):
    place.write(plain()[0], "map.nc")
    first = place.open("map.nc")
    np.testing.assert_array_equal(first.a, np.arange(400).reshape(20, 20) + 1)
    place.write(plain(size=10, name="small")[0], "map.nc", overwrite=True)
    assert place.open("map.nc").sizes["x"] == 10


def test_a_group_of_a_file_is_named_like_a_folder(place, tmp_path):
    data = plain()[0].compute()
    data.to_netcdf(tmp_path / "a.nc", group="first")
    place.objects.write("a.nc", (tmp_path / "a.nc").read_bytes())
    xr.testing.assert_identical(place.open("a.nc/first").load(), data)
    with pytest.raises(InputError, match=rf"groups \(first\); choose one: {place.url}/a.nc/first"):
        place.open("a.nc")


def test_a_file_of_another_format_is_told_by_its_address(place):
    place.objects.write("a.nc", b"<html>not found</html>")
    with pytest.raises(InputError, match=rf"cannot read {place.url}/a.nc as NetCDF.*of another"):
        place.open("a.nc")


def test_what_a_web_server_refuses_is_told(server):
    with pytest.raises(InputError, match="cannot read http://127.*/a.zarr: 403.*check the address"):
        open_store(f"{server.endpoint}/bucket/a.zarr")


def test_stores_and_files_are_read_from_a_web_server(tmp_path, monkeypatch):
    """Which need not list what is in a folder."""
    monkeypatch.setattr(
        SimpleHTTPRequestHandler, "list_directory", lambda self, _: self.send_error(404)
    )
    data = plain()[0]
    for name in ("map.zarr", "map.nc"):
        write(data, tmp_path / name, progress=False)
        web = Folder(tmp_path)
        xr.testing.assert_identical(open_store(web.url(name)).load(), data.compute())
        web.close()
        with pytest.raises(InputError, match="cannot be written to"):
            write(data, web.url(name), overwrite=True)


# Kills

KILLED = """
import json, os, signal, sys, time
import dask.array as da, numpy as np, xarray as xr, zarr
import xai4land.store.bucket, obstore.store
from xai4land.store import lease, open_store, parts, write
from xai4land.store.reaching import open_objects

folder, options, wanted = sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3])
lease.LEASE_SECONDS, lease.TIME_RESOLUTION_SECONDS = 0.2, 1.0

def slow(block):
    time.sleep(0.04)
    return block + 1

def start(name):
    child = os.fork()  # no threads yet, and the imports are made
    if child:
        return child
    try:
        base = da.from_array(np.arange(900, dtype="i4").reshape(30, 30), chunks=10, name="base")
        made = da.map_blocks(slow, base, dtype="i4", name="made")
        data = xr.Dataset({"a": (("y", "x"), made), "c": ("y", np.ones(30))})
        write(data, f"{folder}/{name}", progress=False, storage_options=options)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    finally:
        os._exit(1)

child = start("reference.zarr")
assert os.waitpid(child, 0)[1] == 0
killed = stores = 0
while killed < wanted:
    child = start(f"{stores}.zarr")
    print(stores, flush=True)
    sys.stdin.readline()
    os.kill(child, signal.SIGKILL)  # waited for by nobody yet, so it is there
    killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    print(stores, flush=True)
    stores += sys.stdin.readline() == "whole\\n"
child = start(f"{stores}.zarr")
assert os.waitpid(child, 0)[1] == 0
"""


def test_runs_killed_at_any_moment_go_on_to_the_same_store(place):
    """At random, among the parts and at the end."""
    command = [sys.executable, "-c", KILLED, place.url, json.dumps(place.options), "6"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    moments, number = [], "0"
    with subprocess.Popen(command, text=True, **pipes) as run, contextlib.ExitStack() as failed:
        failed.callback(run.kill)
        for line in run.stdout:
            number = line.strip()
            name = f"{number}.zarr"
            more = place.done(name) + random.choice([0, 1, 3, 9])
            end = time.monotonic() + 60
            while place.done(name) < more and tell_whole(place, name) != "whole":
                assert time.monotonic() < end, "the run neither writes nor ends"
            time.sleep(random.uniform(0, 0.1))
            print("kill", file=run.stdin, flush=True)
            run.stdout.readline()
            moments.append(place.done(name))
            print(tell_whole(place, name), file=run.stdin, flush=True)
        assert run.wait(120) == 0, run.stderr.read()
        failed.pop_all()
    # They did land among the parts, too.
    assert set(moments) - {0}, moments
    reference = place.files("reference.zarr")
    for k in range(int(number) + 1):
        assert tell_whole(place, f"{k}.zarr") == "whole"
        assert place.files(f"{k}.zarr") == reference


def tell_whole(place, name):
    """Tell whether a reader takes a store for one, and check that it is."""
    try:
        opened = place.open(name)
    except InputError:
        return "not whole"
    np.testing.assert_array_equal(opened.a, np.arange(900).reshape(30, 30) + 1)
    return "whole"
