"""Downloads: whole, right, or an error; from a server that cuts, lies, stalls and redirects."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import urllib3
from hypothesis import given, settings
from hypothesis import strategies as st

import xai4land
from local_server import Site, cut, no_range, redirect, silent, status, trickle, whole
from xai4land import DownloadError, InputError, StoreError
from xai4land.downloads import cached_path, fetch, fetch_unpinned, transfer
from xai4land.downloads.urls import find_problem
from xai4land.options import get_options

CONTENT = bytes(range(256)) * 40
PIECES = ["https://", "http://", "a.org", "127.0.0.1", "localhost", "[::1]", "@", ":", "\\", "/"]
PIECES += ["?", "#", "%40", "%2f", ".", "..", "80", "me", " ", "\t", "é", ";", "[", "]", "A.ORG"]
FETCH = """
import resource, sys
from xai4land.downloads import fetch
from xai4land import StoreError
url, known, most = sys.argv[1:]
if int(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
try:
    print(fetch(url, known, progress=False))
except StoreError as error:
    print("refused:", error)
"""


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module")
def server():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site(server, tmp_path, monkeypatch):
    """The server, and a cache of one's own; nothing is waited for between attempts."""
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "FIRST_PAUSE_SECONDS", 0.0)
    server.reset(CONTENT)
    yield server
    server.released.set()


def get(site: Site, content: bytes = CONTENT, **how) -> Path:
    return fetch(site.url(), sha(content), progress=False, **how)


def kept(cache: Path | None = None) -> list[str]:
    """Names of the files in the cache, but for the locks."""
    files = (cache or get_options().cache).rglob("*")
    return sorted(p.name for p in files if p.is_file() and p.parent.name != ".locks")


def elsewhere(site: Site, most: int = 0) -> subprocess.Popen:
    """The same download in another process, whose files may have at most so many bytes."""
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, site.url(), sha(CONTENT), str(most)],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_file_is_downloaded_once_and_found_offline(site):
    path = get(site)
    assert path.read_bytes() == CONTENT
    assert path == cached_path(site.url(), sha(CONTENT))
    assert path.name.endswith("-file.bin")
    times = {p: p.stat().st_mtime_ns for p in (path, *path.parents[:2])}
    with xai4land.set_options(offline=True):
        assert get(site) == path
    assert len(site.asked) == 1
    assert kept() == [path.name], "nothing but the file is left"
    assert times == {p: p.stat().st_mtime_ns for p in times}, "a folder that is only read will do"


def test_md5_is_taken_where_there_is_no_better(site):
    known = "md5:" + hashlib.md5(CONTENT).hexdigest().upper()
    assert fetch(site.url(), known, progress=False).read_bytes() == CONTENT


def test_a_damaged_file_is_downloaded_again(site):
    path = get(site)
    path.write_bytes(CONTENT[:-1] + b"?")
    assert get(site).read_bytes() == CONTENT
    path.write_bytes(b"")
    with (
        xai4land.set_options(offline=True),
        pytest.raises(DownloadError, match="was damaged here"),
    ):
        get(site)


def test_another_hash_keeps_nothing_and_is_not_tried_again(site):
    site.reset(CONTENT[:-1] + b"?")
    with pytest.raises(DownloadError, match=f"expected sha256:{sha(CONTENT)}.*Deleted") as caught:
        get(site)
    assert sha(site.content) in str(caught.value)
    assert len(site.asked) == 1
    assert kept() == []
    site.reset(CONTENT)
    assert get(site).read_bytes() == CONTENT
    assert "Range" not in site.asked[0]


@settings(deadline=None, max_examples=30)
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=3), tagged=st.booleans())
def test_cut_off_anywhere_the_file_is_the_same(server, tmp_path_factory, cuts, tagged):
    server.reset(CONTENT, *(cut(at) for at in cuts))
    server.headers = {"ETag": '"one"'} if tagged else {}
    transfer.FIRST_PAUSE_SECONDS = 0.0
    with xai4land.set_options(cache=tmp_path_factory.mktemp("cut"), retries=3):
        assert get(server).read_bytes() == CONTENT
        assert len(kept()) == 1
    asked = [int(a.get("Range", "bytes=0-")[6:-1]) for a in server.asked]
    if tagged:  # every byte is sent once
        assert asked == [0, *(max(cuts[: n + 1]) for n in range(len(asked) - 1))]
    else:  # nothing tells whether it is the same version
        assert asked == [0] * len(asked)


def test_a_cut_download_goes_on_in_the_next_call(site):
    site.reset(CONTENT, cut(1000), cut(1000))
    with (
        xai4land.set_options(retries=1),
        pytest.raises(DownloadError, match="cut.*attempt 2 of 2.*put the file"),
    ):
        get(site)
    assert get(site).read_bytes() == CONTENT
    assert site.asked[-1]["Range"] == "bytes=1000-"
    assert site.asked[-1]["If-Range"] == '"one"'


def test_versions_are_never_put_together(site):
    def changed(handler):
        handler.site.headers = {"ETag": '"two"'}
        handler.site.content = CONTENT[::-1]
        whole(handler)

    site.reset(CONTENT, cut(1000), changed)
    assert get(site, CONTENT[::-1]).read_bytes() == CONTENT[::-1]
    assert "Range" in site.asked[1]


def test_a_changed_file_under_an_old_tag_is_found_by_its_hash(site):
    def changed(handler):
        handler.site.content = CONTENT[::-1]
        whole(handler)

    site.reset(CONTENT, cut(1000), changed)
    with pytest.raises(DownloadError, match="does not match"):
        get(site)
    assert kept() == []


def test_weak_tags_do_not_join_parts(site):
    site.reset(CONTENT, cut(1000))
    site.headers = {"ETag": 'W/"one"'}
    assert get(site).read_bytes() == CONTENT
    assert "Range" not in site.asked[1]


@pytest.mark.parametrize(
    "act",
    [
        no_range,
        cut(None, **{"Content-Range": "bytes 0-9/10"}),  # not what was asked for
        status(416),
        status(206),
    ],
)
def test_a_server_that_cannot_go_on_is_asked_anew(site, act):
    site.reset(CONTENT, cut(1000), act)
    assert get(site).read_bytes() == CONTENT


def test_a_whole_part_of_a_killed_process_is_no_trap(site):
    site.reset(CONTENT)
    partial = cached_path(site.url(), sha(CONTENT)).with_name(
        cached_path(site.url(), sha(CONTENT)).name + ".partial"
    )
    partial.mkdir(parents=True)
    (partial / "part").write_bytes(CONTENT)
    (partial / "part.version").write_text('"one"')
    assert get(site).read_bytes() == CONTENT


@pytest.mark.parametrize("act", [silent, trickle, cut(100, wait=True)])
def test_a_server_that_stalls_is_given_up(site, act):
    site.reset(CONTENT, last=act)
    with (
        xai4land.set_options(timeout=0.2, retries=1),
        pytest.raises(DownloadError, match="stopped sending|sent only"),
    ):
        get(site)
    assert len(site.asked) == 2


def test_busy_servers_are_asked_again_and_refusals_are_not(site):
    site.reset(CONTENT, status(500), status(503, **{"Retry-After": "0"}), status(429))
    assert get(site).read_bytes() == CONTENT
    for code, words in ((404, "404 Not Found"), (403, "403 Forbidden"), (204, "204 No Content")):
        site.reset(b"other", last=status(code))
        with pytest.raises(DownloadError, match=words):
            get(site, b"other")
        assert len(site.asked) == 1
    site.reset(b"other", last=status(502))
    with (
        xai4land.set_options(retries=2),
        pytest.raises(DownloadError, match="502 Bad Gateway, at attempt 3 of 3"),
    ):
        get(site, b"other")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("http://example.org/a", "'http', expected https"),
        ("file:///etc/passwd", "names no host|'file'"),
        ("ftp://example.org/a", "'ftp'"),
        ("https://me:secret@example.org/a", "user or password"),
        ("http://[::1", "not followed"),
    ],
)
def test_redirects_lead_to_https_alone(site, to, message):
    site.reset(CONTENT, redirect(to))
    with pytest.raises(DownloadError, match=message) as caught:
        get(site)
    assert "secret" not in str(caught.value)
    site.reset(CONTENT, redirect(site.url("other.bin")))
    assert get(site).read_bytes() == CONTENT


def test_a_redirect_is_followed_at_once(site):
    def endless(handler):
        handler.head(302, {"Location": "/other.bin"})
        while not handler.site.released.wait(0.02):
            handler.wfile.write(b"x")

    site.reset(CONTENT, endless)
    assert get(site).read_bytes() == CONTENT


def test_redirects_without_end_are_given_up(site):
    site.reset(CONTENT, last=redirect("/again"))
    with pytest.raises(DownloadError, match="without end"):
        get(site)


def test_a_public_server_does_not_lead_to_this_machine():
    from xai4land.downloads.session import Session

    answer = requests.Response()
    answer.status_code, answer.url = 302, "https://example.org/a"
    answer.headers["Location"] = "http://127.0.0.1:8080/admin"
    with pytest.raises(DownloadError, match="leads to this machine"):
        Session().get_redirect_target(answer)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://example.org/a", "'http', expected https"),
        ("file:///etc/passwd", "names no host|'file'"),
        ("s3://bucket/a", "'s3'"),
        ("example.org/a", "names no host"),
        ("https://me:secret@example.org/a", "netrc"),
        ("https://example.org\\@127.0.0.1/a", "characters"),
        ("https://example.org/a b", "characters"),
        ("https://example.org:99999/a", "no address"),
        ("http://127.0.0.1.example.org/a", "'http'"),
    ],
)
def test_addresses_that_are_refused(url, message):
    for getting in (lambda: fetch(url, "0" * 64), lambda: fetch_unpinned(url)):
        with pytest.raises(InputError, match=message) as caught:
            getting()
        assert "secret" not in str(caught.value)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_who_reads_an_address_reads_the_same_host(text):
    """What is checked is what is called: two libraries must agree on every accepted address."""
    for url in (text, f"https://{text}", f"http://127.0.0.1{text}"):
        if not find_problem(url):
            called = urllib3.util.parse_url(url)
            host = called.host.strip("[]")
            assert host == urlsplit(url).hostname
            assert called.auth is None
            assert requests.Request("GET", url).prepare().url
            assert called.scheme == "https" or host in ("127.0.0.1", "localhost", "::1")


@pytest.mark.parametrize("known", ["", "0" * 63, "md5:" + "0" * 64, "crc:0", "x" * 64, "0" * 32])
def test_hashes_that_are_none(known):
    with pytest.raises(InputError, match="is no hash"):
        fetch("https://example.org/a", known)


def test_what_is_secret_in_an_address_is_not_told(site):
    url = site.url("file.bin?token=hunter2")
    site.reset(b"another", status(404))
    told = []
    for _ in range(2):
        with pytest.raises(DownloadError) as caught:
            fetch(url, sha(CONTENT), progress=False)
        told.append(str(caught.value))
        assert caught.value.__suppress_context__
    assert "404" in told[0]
    assert "does not match" in told[1]
    with (
        xai4land.set_options(retries=0),
        pytest.raises(DownloadError, match="no connection") as caught,
    ):
        fetch("http://127.0.0.1:9/file.bin?token=hunter2", sha(CONTENT), progress=False)
    told.append(str(caught.value))
    assert not [text for text in told if "hunter2" in text]


def test_a_password_of_netrc_is_sent_to_its_host_alone(site, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    site.acts = [redirect(site.url().replace("127.0.0.1", "localhost"))]
    get(site)
    assert ["Authorization" in asked for asked in site.asked] == [True, False]


def test_without_network_it_is_said_what_to_do(site):
    with (
        xai4land.set_options(offline=True),
        pytest.raises(DownloadError, match="offline.*`xai4land prefetch land`.*put the file") as e,
    ):
        get(site, command="xai4land prefetch land")
    for words in (site.url(), sha(CONTENT), str(cached_path(site.url(), sha(CONTENT)))):
        assert words in str(e.value)
    assert not site.asked
    assert kept() == []
    # Put there by hand, as it was said.
    path = cached_path(site.url(), sha(CONTENT))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(CONTENT)
    with xai4land.set_options(offline=True):
        assert get(site) == path


def test_sizes_that_cannot_be(site, monkeypatch):
    with pytest.raises(DownloadError, match=f"has {len(CONTENT)} bytes, expected 5"):
        get(site, size=5)
    assert get(site, size=len(CONTENT)).read_bytes() == CONTENT
    site.reset(b"more" * 9)

    def without_length(handler):
        handler.head(200, {})
        handler.wfile.write(handler.site.content)

    site.acts = [without_length]
    with pytest.raises(DownloadError, match="more than the expected 4 bytes"):
        get(site, b"more", size=4)
    site.acts = [cut(None, **{"Content-Length": str(10**17)})]
    with pytest.raises(StoreError, match="no room for .* XAI4LAND_CACHE"):
        get(site, b"more")


def test_several_processes_download_once(site):
    site.reset(CONTENT, cut(5000, wait=True))
    processes = [elsewhere(site) for _ in range(3)]
    while not site.asked:
        assert all(p.poll() is None for p in processes)
    site.released.set()
    paths = {p.communicate(timeout=120)[0].strip() for p in processes}
    assert len(paths) == 1
    assert Path(paths.pop()).read_bytes() == CONTENT
    assert len(site.asked) == 2, "the cut one, and the rest of it"


def test_several_threads_download_once(site):
    site.reset(CONTENT, cut(5000, wait=True))
    with ThreadPoolExecutor(4) as pool:
        paths = [pool.submit(get, site) for _ in range(4)]
        while not site.asked:
            assert not any(path.done() for path in paths)
        site.released.set()
        assert len({path.result() for path in paths}) == 1
    assert len(site.asked) == 2


def test_certificates_that_are_not_there(site, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/certificates.pem")
    with pytest.raises(DownloadError, match="/nowhere/certificates.pem"):
        fetch("https://localhost:9/a", sha(CONTENT), progress=False)


def test_a_killed_download_goes_on(site):
    site.reset(CONTENT, cut(5000, wait=True))
    process = elsewhere(site)
    part = cached_path(site.url(), sha(CONTENT))
    part = part.with_name(f"{part.name}.partial") / "part"
    while not (part.exists() and part.stat().st_size == 5000):
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert get(site).read_bytes() == CONTENT
    assert site.asked[-1]["Range"] == "bytes=5000-"
    assert len(kept()) == 1


def test_a_full_disk_is_told_and_what_came_is_kept(site):
    out = elsewhere(site, most=4096).communicate(timeout=120)[0]
    assert out.startswith("refused: could not write")
    assert "XAI4LAND_CACHE" in out
    assert get(site).read_bytes() == CONTENT
    assert site.asked[-1]["Range"] == "bytes=4096-"


def test_a_cache_that_cannot_be_written(site, monkeypatch, tmp_path):
    monkeypatch.setenv("XAI4LAND_CACHE", "/proc/nowhere")
    with pytest.raises(StoreError, match="could not write /proc/nowhere.*XAI4LAND_CACHE"):
        get(site)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="XAI4LAND_CACHE"):
        get(site)
    assert not site.asked


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_cache_that_is_only_read_serves_what_it_has(site):
    path = get(site)
    for folder in (path.parent, get_options().cache):
        folder.chmod(0o555)
    assert get(site) == path
    with pytest.raises(StoreError, match="could not write"):
        get(site, b"other")


def test_names_cannot_climb_out_of_the_cache(site):
    for name in ("%2e%2e%2f%2e%2e%2fevil", "a/..", "x/%00", "..\\evil", "", "y" * 300):
        inside = cached_path(f"https://example.org/{name}", "0" * 64)
        assert inside.resolve().parent == (get_options().cache / "downloads").resolve()
        assert len(inside.name) < 120


# Files without a published hash.


def test_unpinned_files_are_noted_and_damage_is_mended(site):
    path = fetch_unpinned(site.url("a.csv"), progress=False)
    assert path.read_bytes() == CONTENT
    assert fetch_unpinned(site.url("a.csv"), progress=False) == path
    assert len(site.asked) == 1
    assert sha(CONTENT) in path.with_name(f"{path.name}.json").read_text()
    path.write_bytes(CONTENT[:-1])
    with (
        xai4land.set_options(offline=True),
        pytest.raises(DownloadError, match="damaged here"),
    ):
        fetch_unpinned(site.url("a.csv"))
    assert fetch_unpinned(site.url("a.csv"), progress=False).read_bytes() == CONTENT
    assert len(kept()) == 2


def test_unpinned_files_are_renewed_when_asked(site):
    url = site.url("a.csv")
    path = fetch_unpinned(url, progress=False)
    site.reset(CONTENT, status(304))
    assert fetch_unpinned(url, refresh=True, progress=False) == path
    assert site.asked[0]["If-None-Match"] == '"one"'
    site.reset(b"newer")
    assert fetch_unpinned(url, refresh=True, progress=False).read_bytes() == b"newer"
    with (
        xai4land.set_options(offline=True),
        pytest.raises(DownloadError, match="cannot be renewed, and nothing may"),
    ):
        fetch_unpinned(url, refresh=True)
    site.reset(b"newest", last=status(404))
    with pytest.raises(DownloadError, match="404.*is kept"):
        fetch_unpinned(url, refresh=True, progress=False)
    assert fetch_unpinned(url, progress=False).read_bytes() == b"newer"


def test_unpinned_files_are_checked_against_what_the_server_says(site):
    digest = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
    site.headers |= {"x-goog-hash": f"crc32c=AAAAAA==,md5={digest}"}
    site.acts = [cut(100)]
    assert fetch_unpinned(site.url("a.csv"), progress=False).read_bytes() == CONTENT
    site.headers = {"Content-MD5": digest}
    assert fetch_unpinned(site.url("d.csv"), progress=False).read_bytes() == CONTENT
    site.content = CONTENT[::-1]
    with pytest.raises(DownloadError, match="the server says"):
        fetch_unpinned(site.url("b.csv"), progress=False)

    def without_length(handler):
        handler.head(200, {})
        handler.wfile.write(handler.site.content)

    site.reset(CONTENT, last=without_length)
    with pytest.raises(DownloadError, match="without its length"):
        fetch_unpinned(site.url("c.csv"), progress=False)
    assert sorted(name.partition("-")[2] for name in kept()) == [
        "a.csv",
        "a.csv.json",
        "d.csv",
        "d.csv.json",
    ]


def test_an_unpinned_file_put_by_hand_is_taken(site):
    with xai4land.set_options(offline=True):
        with pytest.raises(DownloadError, match="put the file at") as caught:
            fetch_unpinned(site.url("a.csv"))
        path = Path(str(caught.value).rpartition("put the file at ")[2])
        path.parent.mkdir(parents=True)
        path.write_bytes(b"by hand")
        assert fetch_unpinned(site.url("a.csv")) == path
