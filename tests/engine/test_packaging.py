"""What an import costs, and what plugins may do."""

from __future__ import annotations

import email
import os
import re
import shutil
import subprocess
import sys
import tarfile
import textwrap
import tomllib
import zipfile
from importlib import import_module
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
import xarray as xr
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import xai4land

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]


def python(code: str, *path: Path) -> str:
    """Output of a fresh interpreter, with more folders to import from."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=env,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_loads_nothing_heavy():
    loaded = python(
        """
        import sys, xarray
        before = set(sys.modules)
        import xai4land
        xarray.Dataset.ai4land, xarray.Dataset.seasonal
        print(*sorted(set(sys.modules) - before))
        """
    ).split()
    heavy = {"torch", "dask.array", "matplotlib", "cf_xarray", "pydantic", "rich", "click", "zarr"}
    heavy |= {"pooch", "requests", "urllib3"}
    assert not heavy & set(loaded)
    assert "xai4land" in loaded


def test_maps_are_made_where_there_is_no_fcntl():
    """As on Windows: an import of a lock or of a store there must not keep maps from being made."""
    done = python(
        """
        import sys
        sys.modules["fcntl"] = None
        import xai4land
        import xai4land_land.landcover

        planet = xai4land.sample("land").drop_vars("land_cover")
        made = xai4land_land.reconstruct(planet.isel(time=[0]), "sample-landcover")
        print(made.land_cover[0, :2, :2].compute().shape)
        """
    )
    assert done == "(2, 2)"


def test_public_names():
    for name in xai4land.__all__:
        assert getattr(xai4land, name).__doc__
    with pytest.raises(AttributeError, match="nonsense"):
        xai4land.nonsense  # noqa: B018


@pytest.mark.parametrize(
    "package", ["xai4land", "xai4land.catalogs", "xai4land_land", "xai4land_seasonal"]
)
def test_dir_shows_the_public_names_and_no_other(package):
    module = import_module(package)
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_first_party_plugins_are_whole():
    table = xai4land.plugins()
    assert not table.problem.any()
    assert {"ai4land", "seasonal"} <= set(table.query("kind == 'accessors'").name)


def test_bundled_emulators_are_whole_and_small():
    table = xai4land.emulators()
    assert "sample-landcover" in table.name.values
    assert not table.problem.any()
    for name in table.name:
        emulator = xai4land.load_emulator(name)
        assert emulator.card.training["command"].startswith("python recipes/")
        assert emulator.card.licence
        assert len(emulator._content) < 5_000_000


def test_seasonal_says_what_it_needs():
    with pytest.raises(xai4land.InputError, match="no time axis"):
        xr.Dataset().seasonal.forecast()


def metadata(folder: Path, name: str, entries: str) -> None:
    """An installed distribution that offers entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(textwrap.dedent(entries))


def test_a_broken_plugin_is_listed_and_breaks_nothing(tmp_path):
    metadata(
        tmp_path,
        "broken",
        """
        [xai4land.accessors]
        faulty = broken_module:Thing
        [xai4land.emulators]
        faulty = broken_module:FILES
        """,
    )
    (tmp_path / "broken_module.py").write_text("import a_module_that_is_not_there")
    out = python(
        """
        import xai4land, xarray as xr
        print(*xai4land.plugins().problem)
        print(*xai4land.emulators().name, *xai4land.emulators().problem)
        print(hasattr(xr.Dataset(), "ai4land"))
        try:
            xr.Dataset().faulty
        except xai4land.PluginError as error:
            print("refused:", error)
        """,
        tmp_path,
    )
    assert out.count("a_module_that_is_not_there") >= 3
    assert "sample-landcover" in out
    assert "True" in out
    assert "refused: the plugin 'faulty' of broken" in out


def test_an_accessor_of_datasets_is_refused_on_an_array(tmp_path):
    metadata(tmp_path, "plain", "[xai4land.accessors]\nplain = plain_module:Plain\n")
    (tmp_path / "plain_module.py").write_text("class Plain:\n    def __init__(self, data): pass\n")
    out = python(
        """
        import xai4land, xarray as xr
        xr.Dataset().plain
        try:
            xr.DataArray(1).plain
        except xai4land.InputError as error:
            print(error)
        """,
        tmp_path,
    )
    assert "'plain' takes a Dataset, this is a DataArray" in out


def test_two_plugins_that_claim_a_name_are_both_named(tmp_path):
    for name in ("first", "second"):
        metadata(tmp_path, name, f"[xai4land.accessors]\nclaimed = {name}_module:Thing\n")
    out = python(
        """
        import xai4land, xarray as xr
        try:
            xr.Dataset().claimed
        except xai4land.PluginError as error:
            print(error)
        """,
        tmp_path,
    )
    assert "'claimed'" in out
    assert "first (first_module:Thing)" in out
    assert "second (second_module:Thing)" in out


def test_catalogs_of_two_packages_with_one_name_are_both_named(tmp_path):
    metadata(tmp_path, "other", "[xai4land.catalogs]\nland = other_module:LAND\n")
    out = python(
        """
        import xai4land
        try:
            xai4land.open_catalog("land")
        except xai4land.PluginError as error:
            print(error)
        print(len(xai4land.open_catalog("era5").df) > 0)
        """,
        tmp_path,
    )
    assert "'land' among the catalogs is claimed by" in out
    assert "other (other_module:LAND)" in out
    assert "xai4land (xai4land_catalogs:LAND)" in out
    assert out.endswith("True")


def test_a_broken_catalog_is_listed_and_breaks_no_other(tmp_path):
    entries = "[xai4land.catalogs]\nfaulty = faulty_module:PATH\ngone = gone_module:PATH\n"
    metadata(tmp_path, "broken", entries)
    (tmp_path / "faulty_module.py").write_text("import a_module_that_is_not_there")
    (tmp_path / "gone_module.py").write_text("PATH = '/nowhere/gone.json'")
    out = python(
        """
        import xai4land
        table = xai4land.plugins()
        for name, problem in table[table.problem != ""][["name", "problem"]].values:
            print(name, "listed:", problem)
        for name in ("faulty", "gone"):
            try:
                xai4land.open_catalog(name)
            except xai4land.PluginError as error:
                print(name, "refused:", error)
        print(len(xai4land.open_catalog("land").df) > 0)
        """,
        tmp_path,
    )
    assert "faulty listed: the plugin 'faulty' of broken (faulty_module:PATH) failed" in out
    assert "faulty refused: the plugin 'faulty' of broken" in out
    assert "gone refused: the catalog 'gone' cannot be read from /nowhere/gone.json" in out
    assert out.endswith("True")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """An sdist, and a wheel that was built from it, in a folder."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def data_files():
    """All of our packages that is no code: catalogs, tables, bundled emulators."""
    packages = (
        ROOT / "xai4land",
        ROOT / "plugins" / "xai4land_land",
        ROOT / "plugins" / "xai4land_seasonal",
        ROOT / "catalogs" / "xai4land_catalogs",
    )
    for package in packages:
        for path in package.rglob("*"):
            if path.suffix in (".json", ".csv", ".safetensors", ".typed"):
                yield path


def test_sdist_and_wheel_hold_all_data(built):
    [sdist], [wheel] = built.glob("*.tar.gz"), built.glob("*.whl")
    with tarfile.open(sdist) as archive:
        source = {name.partition("/")[2] for name in archive.getnames()}
    held = set(zipfile.ZipFile(wheel).namelist())
    expected = list(data_files())
    assert len(expected) > 8
    for path in expected:
        name = path.relative_to(ROOT).as_posix()
        assert name in source
        assert name.removeprefix("plugins/").removeprefix("catalogs/") in held


def test_the_wheel_is_small_and_holds_the_same_modules_as_the_checkout(built):
    [wheel] = built.glob("*.whl")
    assert wheel.stat().st_size < 10_000_000  # bytes; further emulators come by `emulators pull`
    held = {name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".py")}
    folders = ("", "plugins", "plugins", "catalogs")
    packages = ("xai4land", "xai4land_land", "xai4land_seasonal", "xai4land_catalogs")
    expected = {
        path.relative_to(ROOT / folder).as_posix()
        for folder, package in zip(folders, packages, strict=True)
        for path in (ROOT / folder / package).rglob("*.py")
    }
    assert held == expected


def test_links_and_pictures_of_the_readme_lead_somewhere_on_pypi(built):
    """PyPI shows the text alone: what is relative would lead nowhere."""
    [wheel] = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        about = email.message_from_bytes(archive.read(name))
    repository = PROJECT["urls"]["Repository"]
    raw = repository.replace("github.com", "raw.githubusercontent.com")
    assert about["Description-Content-Type"] == "text/markdown"
    text = about.get_payload(decode=True).decode()
    own = (ROOT / "README.md").read_text("utf-8")
    links = re.findall(r"(!?)\[[^\]]+\]\(([^)\s]+)\)", text)
    assert len(links) == len(re.findall(r"\]\(", own)) > 30
    for picture, link in links:
        home = f"{raw}/main/" if picture else f"{repository}/blob/main/"
        assert link.startswith(home)
        assert (ROOT / link.removeprefix(home)).is_file()
    # Nothing else is changed.
    assert re.sub(rf"{repository}/blob/main/|{raw}/main/", "", text).strip() == own.strip()


def test_an_installed_wheel_finds_its_catalogs_and_emulators(built, tmp_path):
    [wheel] = built.glob("*.whl")
    options = ["--quiet", "--no-deps", "--no-index", "--target", str(tmp_path)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    out = python(
        """
        import xai4land, xai4land_catalogs
        print(xai4land.__file__, xai4land_catalogs.__file__, xai4land.__version__)
        print([len(xai4land.open_catalog(name).df) > 0 for name in ("era5", "land")])
        table = xai4land.plugins(); print(table[table.problem != ""].name.tolist())
        print("sample-landcover" in xai4land.emulators().name.tolist())
        """,
        tmp_path,
    ).splitlines()
    assert out[0].count(str(tmp_path)) == 2
    assert out[1:] == ["[True, True]", "[]", "True"]


def test_the_example_plugin_adds_an_accessor_an_architecture_a_kind_and_a_catalog(tmp_path):
    """Built and installed as a third party would, beside an untouched xai4land."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "plugins" / "example", source)
    options = ["--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target"]
    command = [sys.executable, "-m", "pip", "install", *options, str(tmp_path / "site")]
    subprocess.run([*command, str(source)], check=True, timeout=300)
    out = python(
        f"""
        import sys
        sys.path.append({str(ROOT / "tests")!r})
        import xai4land
        from conftest import small_world
        from land_training import QUICK

        world = small_world(times=1)
        how = {{**QUICK, "parameters": {{"hidden": 16}}}}
        emulator = world.drop_vars("truth").ai4land.fit(
            world.truth, architecture="pointwise", **how
        )
        emulator.save({str(tmp_path / "mine.safetensors")!r})
        made = world.ai4land.reconstruct({str(tmp_path / "mine.safetensors")!r})
        diversity = made.landscape.diversity(4)
        print(emulator.card.architecture.name, diversity.shape, float(diversity.max()) > 0)
        table = xai4land.plugins()
        print(table.query("distribution == 'xai4land-example'").name.tolist())
        [found] = xai4land.catalogs.open_search(xai4land.open_catalog("stations"))
        print(found.tas.sizes["station"], "stations")

        from xai4land.inference.apply import apply
        from xai4land.training.fit import fit_maps
        from xai4land.training.regions import Region
        from xai4land_example.share import Share, ShareEmulator

        wet = (world.truth == 2).astype("float32").isel(time=[0])
        share = fit_maps(
            Region(world.drop_vars("truth"), [wet]), Share(name="wet"), kind=ShareEmulator,
            window=24, parameters={{"widths": [8, 16]}}, settings={{"epochs": 1, "steps": 2}},
            progress=False,
        )
        share.save({str(tmp_path / "share.safetensors")!r})
        again = xai4land.load_emulator({str(tmp_path / "share.safetensors")!r})
        made = apply(again, world)
        made.ai4land.write({str(tmp_path / "wet.zarr")!r}, progress=False)
        wet = xai4land.open_store({str(tmp_path / "wet.zarr")!r}).wet
        print(type(again).__name__, wet.dims, bool(((wet >= 0) & (wet <= 1)).all()))
        """,
        tmp_path / "site",
    )
    assert "pointwise (1, 18, 36) True" in out
    assert "['landscape', 'pointwise', 'share', 'stations']" in out
    assert "2 stations" in out
    # It brings a kind of emulator with a head of its own: trained, kept and run by the engine.
    assert "ShareEmulator ('time', 'lat', 'lon') True" in out
    # Without the plugin, the emulator says what is missing.
    with pytest.raises(xai4land.EmulatorFileError, match="architecture 'pointwise'"):
        xai4land.load_emulator(tmp_path / "mine.safetensors")


def test_versions_are_shown(capsys):
    xai4land.show_versions()
    out = capsys.readouterr().out
    for name in ("python", "xarray", "torch", "xai4land"):
        assert name in out


def requirements(lines):
    return {line.split(">=")[0].split("[")[0]: line for line in lines}


def test_the_conda_environment_has_all_that_the_checkout_needs():
    """In the same versions, so that pip, which installs the checkout, has nothing to add."""
    optional = [line for name in ("grib", "maps", "projected", "xesmf") for line in EXTRAS[name]]
    needed = requirements([*PROJECT["dependencies"], *optional])
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    renamed = {"pytorch": "torch", "matplotlib-base": "matplotlib", "netcdf4": "netCDF4"}
    given = requirements(conda)
    for name, line in given.items():
        python_name = renamed.get(name, name.replace("cf_xarray", "cf-xarray"))
        if python_name in needed:
            bounds = needed.pop(python_name).replace("dask[array]", "dask")
            assert line.removeprefix(name) == bounds.removeprefix(python_name), name
    assert not needed
    assert "esmpy" in given
    assert pip == {"pip": ["-e ."]}


def read_pins() -> dict[str, str]:
    """Return the exact versions that README's commands install, by name."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = (line.partition("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, _, version in pins}


def select_needed(lines, extras=()) -> list[Requirement]:
    """Select the requirements that hold on this system, and with some extras."""
    found = map(Requirement, lines)
    given = [{"extra": extra} for extra in extras or ("",)]
    return [one for one in found if not one.marker or any(map(one.marker.evaluate, given))]


def list_needs(name: str, version: str) -> list[str]:
    """List what a package needs; nothing where it is not installed in that version."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return []
    return found.requires or [] if found.version == version else []


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_exact_versions_are_within_the_bounds_of_all_that_needs_them(extra):
    """Those of the project, and those of its dependencies, so far as they are installed."""
    pins, seen = read_pins(), set()
    needed = select_needed(EXTRAS[extra] if extra else PROJECT["dependencies"])
    to_check = [("xai4land", one) for one in needed]
    while to_check:
        by, one = to_check.pop()
        name = canonicalize_name(one.name)
        if name in ("xai4land", "setuptools"):  # which pip does not freeze
            continue
        assert name in pins, f"{by} needs {one}, which has no exact version"
        assert one.specifier.contains(pins[name]), f"{by} needs {one}, not {pins[name]}"
        if (name, *one.extras) not in seen:
            seen.add((name, *one.extras))
            more = select_needed(list_needs(name, pins[name]), one.extras)
            to_check += [(name, needed) for needed in more]


@pytest.mark.parametrize(
    ("package", "extra", "needs"),
    [
        ("gcsfs", "cloud", "gs"),
        ("s3fs", "cloud", "s3"),
        ("obstore", "cloud", "s3://bucket/a.zarr"),
        ("cfgrib", "grib", "a.grib"),
    ],
)
def test_what_is_optional_names_its_extra(package, extra, needs, tmp_path, monkeypatch):
    from xai4land.catalogs import access
    from xai4land.store import clouds, reading

    for module in (access, clouds, reading):
        monkeypatch.setattr(module, "find_spec", lambda name: None)
    (tmp_path / "a.grib").touch()
    use = xai4land.open_store if "." in needs else access.storage_options
    with pytest.raises(xai4land.InputError, match=rf"pip install {package} .*xai4land\[{extra}\]"):
        use(tmp_path / needs if extra == "grib" else needs)
