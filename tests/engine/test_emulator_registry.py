"""Emulators by name from registries: the right file, or an error that says which is wrong."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from test_cli import run

import xai4land
from conftest import random_emulator, small_card
from local_server import Site
from xai4land import DownloadError, EmulatorFileError, InputError
from xai4land.cli import cli
from xai4land.downloads import transfer
from xai4land.emulator.names import pull, show, verify
from xai4land.emulator.publishing import publish
from xai4land.emulator.registry import Entry, Registry, locate, read_registry
from xai4land.options import get_options


@pytest.fixture(scope="module")
def server():
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site(server, monkeypatch):
    server.reset(b"")
    yield server
    server.released.set()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XAI4LAND_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(transfer, "FIRST_PAUSE_SECONDS", 0.0)
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def emulators():
    """Two versions of one emulator."""
    return [random_emulator(small_card(), seed=seed) for seed in (1, 2)]


def registry(folder: Path, emulators, versions=("1.0", "1.10"), called="lab", **changes) -> Path:
    """A registry file of one emulator's versions, which lie beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for emulator, version in zip(emulators, versions, strict=True):
        file = f"weights/small-{version}.safetensors"
        (folder / "weights").mkdir(exist_ok=True)
        emulator.save(folder / file)
        entries.append({**Entry.of_file(folder / file, version, file).model_dump(), **changes})
    path = folder / "registry.json"
    path.write_text(json.dumps({"format": 1, "name": called, "emulators": entries}))
    return path


def online(site: Site, path: Path) -> str:
    """The same registry on a server, with the files that it names; its address and hash."""
    for file in path.parent.rglob("*"):
        if file.is_file():
            site.files[f"lab/{file.relative_to(path.parent)}"] = file.read_bytes()
    digits = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"{site.url('lab/registry.json')}#sha256={digits}"


def row(name: str, version: str = "") -> dict:
    rows = xai4land.emulators().to_dict("records")
    return next(r for r in rows if r["name"] == name and version in ("", r["version"]))


def test_a_registry_beside_its_files(tmp_path, emulators):
    path = registry(tmp_path / "lab", emulators)
    with xai4land.set_options(registries=[path]):
        for name, expected in (
            ("small", emulators[1]),
            ("small@1.0", emulators[0]),
            ("small@1.10.0", emulators[1]),
            ("lab:small@1.0", emulators[0]),
        ):
            assert xai4land.load_emulator(name).sha256 == expected.sha256
        assert row("small", "1.10")["source"] == "lab"
        assert row("small")["here"] is True
        assert row("small")["output"] == "land_cover"
        with pytest.raises(EmulatorFileError, match="'small@3', but the versions 1.0, 1.10"):
            xai4land.load_emulator("small@3")
        with pytest.raises(EmulatorFileError, match="no versions of its own"):
            xai4land.load_emulator("bundled:sample-landcover@1.0")
    with pytest.raises(EmulatorFileError, match="no emulator is called 'small'"):
        xai4land.load_emulator("small")


def test_the_environment_names_registries(tmp_path, emulators, monkeypatch):
    path = registry(tmp_path / "lab", emulators)
    monkeypatch.setenv("XAI4LAND_REGISTRIES", str(path))
    assert xai4land.load_emulator("small").sha256 == emulators[1].sha256


def test_pre_releases_are_taken_only_by_version(tmp_path, emulators):
    path = registry(tmp_path / "lab", emulators, versions=("1.0", "2.0rc1"))
    with xai4land.set_options(registries=[path]):
        assert xai4land.load_emulator("small").sha256 == emulators[0].sha256
        assert xai4land.load_emulator("small@2.0rc1").sha256 == emulators[1].sha256


def test_a_registry_elsewhere_from_list_to_use(tmp_path, emulators, site, capsys):
    place = online(site, registry(tmp_path / "lab", emulators))
    with xai4land.set_options(registries=[place]):
        assert "is not here" in row(site.url("lab/registry.json"))["problem"]
        assert not site.asked, "a list needs no network"
        card = show("small")
        assert [a["path"] for a in site.asked] == ["/lab/registry.json"]
        for words in ("'small' 1.10", "'lab'", "wood, field, town", "MB", emulators[1].sha256):
            assert words in card
        assert row("small", "1.10")["here"] is False
        capsys.readouterr()
        assert xai4land.load_emulator("small").sha256 == emulators[1].sha256
        printed = capsys.readouterr().err
        assert 0 <= printed.index(card) < printed.index("small-1.10.safetensors ")
        assert row("small", "1.10")["here"] is True
        asked = len(site.asked)
        with xai4land.set_options(offline=True):
            assert xai4land.load_emulator("small@1.10").sha256 == emulators[1].sha256
            assert "<Emulator 'small'>" in show("small")
            with pytest.raises(
                DownloadError, match="`xai4land emulators pull lab:small@1.0`.*put the file"
            ):
                xai4land.load_emulator("small@1.0")
        assert len(site.asked) == asked


def test_a_registry_that_changed_is_refused(tmp_path, emulators, site):
    place = online(site, registry(tmp_path / "lab", emulators))
    site.files["lab/registry.json"] += b" "
    with (
        xai4land.set_options(registries=[place]),
        pytest.raises(EmulatorFileError, match="no emulator is called.*does not match"),
    ):
        xai4land.load_emulator("small")


def test_two_registries_with_one_name_of_an_emulator(tmp_path, emulators):
    paths = [
        registry(tmp_path / name, emulators[n : n + 1], versions=("1.0",), called=name)
        for n, name in enumerate(("one", "two"))
    ]
    with xai4land.set_options(registries=paths):
        with pytest.raises(EmulatorFileError, match="one and two both have.*write one:small"):
            xai4land.load_emulator("small")
        assert xai4land.load_emulator("two:small").sha256 == emulators[1].sha256


def test_two_registries_of_one_name(tmp_path, emulators):
    paths = [registry(tmp_path / name, emulators) for name in ("a", "b")]
    with xai4land.set_options(registries=paths):
        problem = row(str(paths[1]))["problem"]
    assert "two registries are called 'lab'" in problem
    assert all(str(path) in problem for path in paths)


def test_no_registry_takes_the_place_of_a_bundled_emulator(tmp_path):
    mine = random_emulator(small_card().with_(name="sample-landcover"))
    path = registry(tmp_path / "lab", [mine], versions=("9.0",))
    bundled = xai4land.load_emulator("sample-landcover")
    with xai4land.set_options(registries=[path]):
        assert xai4land.load_emulator("sample-landcover").sha256 == bundled.sha256
        assert xai4land.load_emulator("bundled:sample-landcover").sha256 == bundled.sha256
        assert xai4land.load_emulator("lab:sample-landcover").sha256 == mine.sha256
        assert xai4land.load_emulator("sample-landcover@9.0").sha256 == mine.sha256


@pytest.mark.parametrize("remote", [False, True])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "0" * 64}, "SHA-256|does not match"),
        ({"name": "other"}, "is the emulator 'small', but the registry 'lab' calls it 'other'"),
    ],
)
def test_a_file_that_is_not_what_the_registry_says(
    tmp_path, emulators, site, remote, changes, message
):
    path = registry(tmp_path / "lab", emulators[:1], versions=("1.0",), **changes)
    place = online(site, path) if remote else path
    with (
        xai4land.set_options(registries=[place]),
        pytest.raises((EmulatorFileError, DownloadError), match=message),
    ):
        xai4land.load_emulator(changes.get("name", "small"))


def test_a_server_with_a_file_of_another_size_is_not_asked_for_it(tmp_path, emulators, site, cache):
    place = online(site, registry(tmp_path / "lab", emulators[:1], versions=("1.0",), size=7))
    with (
        xai4land.set_options(registries=[place]),
        pytest.raises(DownloadError, match="bytes, expected 7"),
    ):
        xai4land.load_emulator("small")
    assert not [p for p in cache.rglob("*.partial/part") if p.stat().st_size]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"url": "../small.safetensors"}, "neither https"),
        ({"url": "a/../../small.safetensors"}, "neither https"),
        ({"url": "/etc/passwd"}, "neither https"),
        ({"url": "%2e%2e/small.safetensors"}, "neither https"),
        ({"url": "a\\b.safetensors"}, "neither https"),
        ({"url": "file:///etc/passwd"}, "cannot be used"),
        ({"url": "http://example.org/a.safetensors"}, "expected https"),
        ({"url": "https://me:secret@example.org/a"}, "user or password"),
        ({"sha256": "0" * 32}, "emulators.0.sha256"),
        ({"size": -1}, "emulators.0.size"),
        ({"version": "latest"}, "no version"),
        ({"name": "a:b"}, "emulators.0.name"),
        ({"title": "\x1b[2J"}, "cannot be printed"),
        ({"surprise": 1}, "emulators.0.surprise"),
    ],
)
def test_entries_that_are_refused(tmp_path, emulators, changes, message):
    path = registry(tmp_path / "lab", emulators[:1], versions=("1.0",), **changes)
    with xai4land.set_options(registries=[path]):
        problem = row(str(path))["problem"]
        assert "secret" not in problem
        with pytest.raises(EmulatorFileError, match=message):
            xai4land.load_emulator("small")
        assert xai4land.load_emulator("sample-landcover")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no registry"),
        ("[" * 10000, "no registry"),
        ('{"name": "lab", "emulators": [], "format": 2}', "format"),
        ('{"name": "bundled", "emulators": []}', "cannot be called 'bundled'"),
        ('{"name": "lab", "emulators": {}}', "emulators"),
        (" " * (4 << 20) + "{}", "over"),
        (None, "could not open"),
    ],
)
def test_files_that_are_no_registry(tmp_path, text, message):
    path = tmp_path / "registry.json"
    if text is not None:
        path.write_text(text)
    with xai4land.set_options(registries=[path]):
        with pytest.raises(EmulatorFileError, match=message):
            xai4land.load_emulator("small")
        assert message in row(str(path))["problem"]


def test_a_version_is_listed_once(tmp_path, emulators):
    path = registry(tmp_path / "lab", emulators, versions=("1.0", "1.0.0"))
    with pytest.raises(EmulatorFileError, match="several entries for small@1.0"):
        read_registry(str(path), download=False)


@given(st.lists(st.sampled_from(["a", "..", ".", "/", "%2e", "\\", "~", "?", "#", "@"])))
def test_no_relative_path_leaves_the_registrys_place(pieces):
    url, digits = "".join(pieces), "0" * 64
    try:
        entry = Entry(name="a", version="1", url=url, sha256=digits, size=1)
    except ValidationError:
        return
    folder = Path("/registries/lab")
    assert locate(entry, str(folder / "registry.json"))[1].is_relative_to(folder)
    base = "https://example.org/lab/registry.json"
    made = locate(entry, f"{base}#sha256={digits}")[0]
    assert made.startswith("https://example.org/lab/")
    assert made == urljoin(base, url)


def test_a_link_does_not_lead_out_of_the_registrys_folder(tmp_path, emulators):
    path = registry(tmp_path / "lab", emulators[:1], versions=("1.0",))
    file = path.parent / "weights" / "small-1.0.safetensors"
    file.rename(tmp_path / "outside.safetensors")
    file.symlink_to(tmp_path / "outside.safetensors")
    with (
        xai4land.set_options(registries=[path]),
        pytest.raises(EmulatorFileError, match="leads out of its folder"),
    ):
        xai4land.load_emulator("small")


def test_by_address_with_its_hash(tmp_path, emulators, site):
    online(site, registry(tmp_path / "lab", emulators[:1], versions=("1.0",)))
    url = site.url("lab/weights/small-1.0.safetensors")
    pinned = f"{url}#sha256={emulators[0].sha256}"
    with pytest.raises(EmulatorFileError, match="not here; run: xai4land emulators pull"):
        show(pinned)
    assert xai4land.load_emulator(pinned).sha256 == emulators[0].sha256
    assert "<Emulator 'small'>" in show(pinned)
    with xai4land.set_options(offline=True):
        assert xai4land.load_emulator(pinned).sha256 == emulators[0].sha256
    with pytest.raises(InputError, match="without a hash.*add #sha256="):
        xai4land.load_emulator(url)
    with pytest.raises(InputError, match="comes with md5"):
        xai4land.load_emulator(f"{url}#md5={'0' * 32}")
    with pytest.raises(InputError, match="'s3', expected https"):
        xai4land.load_emulator(f"s3://bucket/a.safetensors#sha256={'0' * 64}")
    site.files.clear()
    with pytest.raises(DownloadError, match="does not match"):
        xai4land.load_emulator(f"{url}#sha256={'0' * 64}")


def test_verify_finds_damage(tmp_path, emulators, site):
    place = online(site, registry(tmp_path / "lab", emulators))
    with xai4land.set_options(registries=[place]):
        path = pull("small")
        table = verify()
        assert table.verified.all()
        assert {"small", "sample-landcover", "seasonal"} <= set(table.name)
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert "another SHA-256" in verify(["small"]).problem[0]
        asked = len(site.asked)
        with pytest.raises(EmulatorFileError, match="has SHA-256"):
            show("small")
        assert len(site.asked) == asked, "to show is not to download"
        assert not verify(["small@1.0"]).verified[0], "it is not here"
        assert xai4land.load_emulator("small").sha256 == emulators[1].sha256
        assert verify(["small"]).verified[0]


def test_the_commands(tmp_path, emulators, site, monkeypatch, capsys):
    place = online(site, registry(tmp_path / "lab", emulators))
    monkeypatch.setenv("XAI4LAND_REGISTRIES", place)
    code, out, _ = run(capsys, "emulators")
    assert code == 1, "the registry is not here"
    code, out, _ = run(capsys, "emulators", "show", "small")
    assert code == 0
    assert "<emulator 'small' 1.10 of the registry 'lab'>" in out
    code, out, err = run(capsys, "emulators", "pull", "small")
    assert code == 0
    assert Path(out.strip()).read_bytes()
    assert "<emulator 'small' 1.10" in err
    code, out, _ = run(capsys, "emulators")
    assert code == 0
    assert "1.10" in out
    code, out, _ = run(capsys, "emulators", "verify")
    assert code == 0
    next((tmp_path / "cache" / "downloads").glob("*.safetensors")).write_bytes(b"damaged")
    code, out, _ = run(capsys, "emulators", "verify", "small")
    assert code == 1
    assert "another SHA-256" in out
    monkeypatch.setenv("XAI4LAND_OFFLINE", "1")
    code, _, err = run(capsys, "emulators", "pull", "small")
    assert code == 1
    assert err.startswith("error: ")
    assert "was damaged here" in err


def test_the_page_speaks_true():
    """Its registry is accepted; its commands and options are there."""
    page = (Path(__file__).parents[2] / "docs" / "emulator.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.S)
    assert Registry.model_validate_json(example).emulators
    for command in re.findall(r"xai4land emulators (\w+)", page):
        assert command in cli.commands["emulators"].commands, command
    for name in re.findall(r"^\| `(\w+)`, `XAI4LAND_(\w+)`", page, re.M):
        assert hasattr(get_options(), name[0])
        assert name[0].upper() == name[1]


def test_the_packages_own_registry_is_a_registry():
    from xai4land.emulator.offers import OWN_REGISTRY

    assert isinstance(read_registry(OWN_REGISTRY, download=False), Registry)


def test_what_is_published_is_pulled_elsewhere(tmp_path, emulators, site, capsys, monkeypatch):
    folder = tmp_path / "lab"
    folder.mkdir()
    for emulator, version in zip(emulators, ("1.0", "1.10"), strict=True):
        file = folder / f"small-{version}.safetensors"
        emulator.save(file)
        code, out, err = run(
            capsys, "emulators", "publish", str(file), str(folder / "registry.json"),
            "--version", version,
        )  # fmt: skip
        assert (code, err) == (0, "")
    place = online(site, folder / "registry.json")
    assert place.rpartition("#")[2] in out
    monkeypatch.setenv("XAI4LAND_REGISTRIES", place)
    code, out, _ = run(capsys, "emulators", "pull", "lab:small@1.0")
    assert code == 0
    assert Path(out.strip()).read_bytes() == (folder / "small-1.0.safetensors").read_bytes()
    assert xai4land.load_emulator("small").sha256 == emulators[1].sha256


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": "1.0.0"}, "several entries for small@1.0"),
        ({"version": "newest"}, "'newest' is no version"),
        ({"url": "http://host.org/a.safetensors"}, "cannot be used"),
        ({"name": "other"}, "is the registry 'lab', not 'other'"),
        ({"file": "elsewhere.safetensors"}, "is not in .*url='https"),
    ],
)
def test_what_cannot_be_published_leaves_the_registry_as_it_was(
    tmp_path, emulators, changes, message
):
    path = registry(tmp_path / "lab", emulators)
    before = path.read_bytes()
    emulators[0].save(tmp_path / "elsewhere.safetensors")
    file = tmp_path / changes.pop("file", "lab/weights/small-1.0.safetensors")
    with pytest.raises(InputError, match=message):
        publish(file, path, **{"version": "2.0", **changes})
    assert path.read_bytes() == before
