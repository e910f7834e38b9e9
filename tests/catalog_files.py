"""Catalogs of intake-esm, as users write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

UNION = {"type": "union", "attribute_name": "variable_id"}


def write_catalog(
    folder: Path,
    rows: list[dict[str, Any]],
    *,
    kind: str = "netcdf",
    groups: tuple[str, ...] = ("source_id", "table_id"),
    aggregations: tuple[dict[str, str], ...] = (UNION,),
    **description: Any,
) -> Path:
    """Write own.csv and own.json; parts of the description may be others."""
    pd.DataFrame(rows).to_csv(folder / "own.csv", index=False)
    content = {
        "esmcat_version": "0.1.0",
        "id": "own",
        "catalog_file": "own.csv",
        "attributes": [{"column_name": "source_id"}],
        "assets": {"column_name": "path", "format": kind},
        "aggregation_control": {
            "variable_column_name": "variable_id",
            "groupby_attrs": list(groups),
            "aggregations": list(aggregations),
        },
        **description,
    }
    path = folder / "own.json"
    path.write_text(json.dumps(content))
    return path
