"""What `make lowest` and `make prerelease` install: each direct dependency but torch.

`lowest` prints pip constraints with the lower bound of each, and torch as CI has it (its old builds
bring gigabytes); `names` prints their names; `extras` those of the project's extras.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("grib", "projected")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def requirements() -> dict[str, str]:
    """Lower bound of each direct dependency."""
    optional = PROJECT["optional-dependencies"]
    lines = [*PROJECT["dependencies"], *(line for name in EXTRAS for line in optional[name])]
    lines += [line for line in optional["test"] if line.startswith("distributed")]
    found = [re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?>=([0-9.]+)", line) for line in lines]
    return {match[1]: match[2] for match in found if match and match[1] != "torch"}


def main() -> None:
    if sys.argv[1] == "extras":
        print(*PROJECT["optional-dependencies"])
        return
    if sys.argv[1] == "names":
        print(*requirements())
        return
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    print(*(line for line in pins if line.startswith("torch==")), sep="\n")
    print(*(f"{name}=={bound}" for name, bound in requirements().items()), sep="\n")


main()
