"""What a release says of itself agrees: metadata, recipe, citation, workflows."""

from __future__ import annotations

import ast
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
RECIPE = yaml.safe_load((ROOT / "recipe" / "recipe.yaml").read_text("utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base", "cf-xarray": "cf_xarray"}


def read_changelog_version() -> str:
    """Return the newest version that the changelog tells of."""
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    return re.findall(r"^## \[(\d+\.\d+\.\d+)\]", text, re.M)[0]


def as_conda(lines) -> dict[str, str]:
    """Return requirements as conda writes them: bounds by name."""
    needed = map(Requirement, lines)
    return {CONDA_NAMES.get(r.name, r.name.lower()): normalise(str(r.specifier)) for r in needed}


def split_recipe(lines) -> dict[str, str]:
    return {name: normalise(bounds) for name, _, bounds in (line.partition(" ") for line in lines)}


def normalise(bounds: str) -> str:
    return ",".join(sorted(bounds.split(",")))


def test_the_recipe_runs_with_the_dependencies_of_the_project():
    run = split_recipe(RECIPE["requirements"]["run"])
    assert run.pop("python") == ">=${{ python_min }}"
    assert Version(run.pop("esmpy").removeprefix(">="))  # which xESMF needs, and PyPI lacks
    assert run == as_conda([*PROJECT["project"]["dependencies"], *EXTRAS["xesmf"]])


def test_the_recipe_bounds_what_is_optional():
    names = ("bmi", "boosting", "cloud", "grib", "maps", "onnx", "projected")
    optional = chain.from_iterable(EXTRAS[name] for name in names)
    assert split_recipe(RECIPE["requirements"]["run_constraints"]) == as_conda(optional)


def test_the_recipe_builds_with_what_the_project_is_built_with():
    host = split_recipe(RECIPE["requirements"]["host"])
    assert host.pop("python") == "${{ python_min }}.*"
    assert host.pop("pip") == ""
    assert host == as_conda(PROJECT["build-system"]["requires"])


def test_versions_agree():
    version = read_changelog_version()
    assert RECIPE["context"]["version"] == version
    assert str(CITATION["version"]) == version
    fallback = PROJECT["tool"]["hatch"]["version"]["fallback-version"]
    assert Version(fallback).base_version >= version
    assert Version(fallback).is_devrelease


def test_licence_summary_script_and_places_agree():
    project, about = PROJECT["project"], RECIPE["about"]
    assert project["license"] == about["license"] == CITATION["license"]
    assert project["description"] == about["summary"]
    [script] = RECIPE["build"]["python"]["entry_points"]
    assert script == f"xai4land = {project['scripts']['xai4land']}"
    assert about["repository"] == CITATION["repository-code"]
    for url in project["urls"].values():
        assert url.startswith(about["repository"])
    python = RECIPE["context"]["python_min"]
    assert project["requires-python"] == f">={python}"
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert RECIPE["tests"][0]["python"]["imports"] == sorted(Path(p).name for p in packages)


def test_tests_run_on_each_python_that_the_project_names():
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["project"]["classifiers"]))
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text("utf-8"))
    jobs = workflow["jobs"]
    assert jobs["tests"]["strategy"]["matrix"]["python"] == named
    assert jobs["wheel"]["strategy"]["matrix"]["python"] == named
    systems = {name.split("-")[0] for name in jobs["tests"]["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "windows", "macos"}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_pin_their_actions_and_have_the_least_rights(path):
    text = path.read_text("utf-8")
    for use in re.findall(r"uses: (.+)", text):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use), use
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "timeout-minutes" in job
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"fetch-depth": 0, "persist-credentials": False}


def test_only_the_jobs_that_publish_may_write():
    rights = {}
    for path in WORKFLOWS:
        for name, job in yaml.safe_load(path.read_text("utf-8"))["jobs"].items():
            writes = {
                right for right, mode in job.get("permissions", {}).items() if mode == "write"
            }
            if writes:
                rights[path.stem, name] = writes
    assert rights == {
        ("docs", "publish"): {"pages", "id-token"},
        ("release", "build"): {"id-token", "attestations"},
        ("release", "pypi"): {"id-token"},
        ("release", "notes"): {"contents"},
    }


def test_no_file_is_unpickled_as_the_security_page_promises():
    packages = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    sources = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    assert len(sources) > 300
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("pickle.load", "pickle.loads", "torch.load"), path
                pickled = {ast.unparse(k.value) for k in node.keywords if k.arg == "allow_pickle"}
                assert pickled <= {"False"}, path
