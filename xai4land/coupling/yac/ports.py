"""Fields that YAC brings to an emulator and takes from it: their grids, order and meaning."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from xai4land.coupling.stepper import Stepper
from xai4land.errors import InputError
from xai4land.grids.cells import cell_edges
from xai4land.grids.fractions import cell_fractions
from xai4land.grids.grid import Grid
from xai4land.heads.outputs import Output
from xai4land.typing import Floats

__all__ = ["FRACTIONS", "Kind", "Port", "Vertices", "find_cells", "list_inputs", "list_outputs"]

Kind = Literal["classes", "fractions", "numbers"]
FRACTIONS = ("cell_fractions", "pixel_fractions")
"""Outputs that are made from a map of classes."""


@dataclass(frozen=True)
class Port:
    """A field of YAC, and what it is to the emulator.

    Attributes
    ----------
    field : str
        Its name in YAC.
    names : tuple of str
        The inputs of its collection, or the output.
    grid : Grid
    kind : {"classes", "fractions", "numbers"}
    about : str
        What its values are, for people.
    size : int
        Length of its collection.
    output : Output or None
        The output it is, or is made from.
    pixels : Grid or None
        Where that output lies, if fractions are made from it.
    """

    field: str
    names: tuple[str, ...]
    grid: Grid
    kind: Kind
    about: str
    size: int = 1
    output: Output | None = None
    pixels: Grid | None = None

    def unpack(self, values: Floats) -> dict[str, np.ndarray]:
        """Return what came, shape (collection, cells from the south), by name and as rows."""
        layers = self._turn(values.reshape(self.size, *self.grid.shape))
        return dict(zip(self.names, layers, strict=True))

    def pack(self, outputs: Mapping[str, np.ndarray]) -> tuple[Floats, Floats | None]:
        """Return what goes, shape (collection, cells from the south), and the share that is known.

        Missing area has a fraction of 0. Other numbers are known or not, which YAC respects.
        """
        assert self.output is not None
        values = outputs[self.output.name]
        if self.names[0] in FRACTIONS:
            values = self._count(values)
        values = values.reshape(self.size, *self.grid.shape).astype(np.float64)
        flat = np.ascontiguousarray(self._turn(values)).reshape(self.size, -1)
        if self.kind == "classes":
            return flat, None
        known = np.isfinite(flat)
        filled: Floats = np.where(known, flat, 0.0)
        return filled, None if self.kind == "fractions" else known.astype(np.float64)

    def _count(self, classes: np.ndarray) -> np.ndarray:
        """Return area fractions of classes on the pixels, or in the coarse cells."""
        assert self.output is not None
        codes = np.atleast_1d(self.output.attrs["flag_values"])
        if self.names[0] == "pixel_fractions":
            one_hot: np.ndarray = classes == codes[:, None, None]
            return one_hot
        assert self.pixels is not None
        named = xr.DataArray(classes, self.pixels.coords(), self.pixels.names)
        made = cell_fractions(named, self.grid, codes.tolist())
        found: np.ndarray = np.nan_to_num(made.fraction.values) * made.known.values
        return found

    def _turn(self, values: np.ndarray) -> np.ndarray:
        return values if self.grid.ascending else values[..., ::-1, :]


@dataclass(frozen=True)
class Vertices:
    """Edges and centres of a grid in radians, from the south and the west.

    Attributes
    ----------
    lon, lat : ndarray
        Edges; around the globe, the last edge of the longitudes is the first and left out.
    centres : tuple of ndarray
        Longitudes and latitudes.
    cyclic : bool
    """

    lon: Floats
    lat: Floats
    centres: tuple[Floats, Floats]
    cyclic: bool

    @classmethod
    def of(cls, grid: Grid, like: xr.Dataset | None = None) -> Vertices:
        """Return those of a grid, with CF bounds where a dataset has them.

        Raises
        ------
        InputError
            If cells do not touch.

        Examples
        --------
        >>> from xai4land.grids.grid import global_grid
        >>> made = Vertices.of(global_grid(60.0))
        >>> lat, lon = (np.rad2deg(edges).round().tolist() for edges in (made.lat, made.lon))
        >>> lat, lon, made.cyclic
        ([-90.0, -30.0, 30.0, 90.0], [-180.0, -120.0, -60.0, 0.0, 60.0, 120.0], True)
        """
        known = like if like is not None and set(grid.names) <= set(like.variables) else None
        rows, columns = cell_edges(grid, known)
        lat, lon = (
            _join_edges(e, name) for e, name in zip((rows, columns), grid.names, strict=True)
        )
        lat_centres, lon_centres = np.sort(grid.lat.centres), grid.lon.centres
        cyclic = grid.lon.periodic
        return cls(
            np.deg2rad(lon[:-1] if cyclic else lon),
            np.deg2rad(lat),
            (np.deg2rad(lon_centres), np.deg2rad(lat_centres)),
            cyclic,
        )


def list_inputs(given: Mapping[str, str | Sequence[str]], stepper: Stepper) -> list[Port]:
    """Return the fields that the emulator receives.

    Raises
    ------
    InputError
        Listing unknown, repeated and absent inputs, and collections on several grids.
    """
    specs = stepper.inputs
    problems: list[str] = []
    ports = []
    seen: list[str] = []
    fractions = set(stepper.emulator.card.outputs.coarse_inputs)
    for field, value in given.items():
        names = (value,) if isinstance(value, str) else tuple(value)
        problems += [_describe_unknown("inputs", field, n, specs) for n in names if n not in specs]
        problems += [f"yac: inputs: {n!r} is given twice; once will do" for n in names if n in seen]
        seen += names
        known = [specs[n] for n in names if n in specs]
        if len({spec.grid for spec in known}) > 1:
            problems.append(
                f"yac: inputs: those of {field!r} lie on several grids; use one field each"
            )
        if known:
            units = ", ".join(f"{s.name} ({stepper.units.get(s.name, s.units)})" for s in known)
            kind: Kind = "fractions" if set(names) <= fractions else "numbers"
            ports.append(Port(field, names, known[0].grid, kind, units, len(names)))
    absent = [n for n, spec in specs.items() if spec.needed and n not in seen]
    problems += [f"yac: inputs: no field gives {n!r} ({specs[n].units}); add one" for n in absent]
    InputError.raise_if(problems)
    return ports


def find_cells(ports: Sequence[Port], pixels: Grid) -> Grid:
    """Return the grid of the cells, of which there may be one beside the pixels.

    Raises
    ------
    InputError
    """
    others = list(dict.fromkeys(p.grid for p in ports if p.grid != pixels))
    if len(others) > 1:
        shapes = ", ".join(f"{g.shape[0]} x {g.shape[1]}" for g in others)
        raise InputError(
            f"inputs lie on grids of {shapes} cells beside the pixels, expected one; bring like= "
            "to one grid"
        )
    return others[0] if others else pixels


def list_outputs(given: Mapping[str, str], stepper: Stepper, cells: Grid) -> list[Port]:
    """Return the fields that the emulator gives; ``cells`` are those of its inputs.

    Raises
    ------
    InputError
        Listing unknown outputs, and fractions of what is no map of classes.
    """
    found = stepper.outputs
    maps = [o for o in found.values() if "flag_values" in o.attrs and not o.leading]
    known = [*found, *(FRACTIONS if maps else ())]
    InputError.raise_if(
        _describe_unknown("outputs", field, name, known)
        for field, name in given.items()
        if name not in known
    )
    return [
        _make_fractions(field, name, maps[0], stepper.grid, cells)
        if name in FRACTIONS
        else _make_output(field, found[name], stepper.grid)
        for field, name in given.items()
    ]


def _make_fractions(field: str, name: str, of: Output, pixels: Grid, cells: Grid) -> Port:
    classes = str(of.attrs.get("flag_meanings", "")).split()
    grid = cells if name == "cell_fractions" else pixels
    about = f"area fractions (1) of {', '.join(classes)}"
    return Port(field, (name,), grid, "fractions", about, len(classes), of, pixels)


def _make_output(field: str, output: Output, pixels: Grid) -> Port:
    attrs = output.attrs
    size = int(np.prod(output.shape, dtype=int))
    about = str(attrs.get("long_name", output.name))
    if "flag_values" in attrs:
        codes = np.atleast_1d(attrs["flag_values"])
        pairs = zip(codes, str(attrs.get("flag_meanings", "")).split(), strict=False)
        about += ": " + ", ".join(f"{code} {name}" for code, name in pairs)
        about += f"; missing {output.missing:g}"
        return Port(field, (output.name,), pixels, "classes", about, size, output)
    about += f" ({attrs.get('units', '1')})"
    kind: Kind = "fractions" if output.name.endswith("_probability") else "numbers"
    return Port(field, (output.name,), pixels, kind, about, size, output)


def _join_edges(pairs: Floats, name: str) -> Floats:
    """Return n + 1 edges of n cells, ascending."""
    pairs = pairs[np.argsort(pairs[:, 0])]
    width = float(np.diff(pairs).min())
    if not np.allclose(pairs[1:, 0], pairs[:-1, 1], rtol=0, atol=1e-3 * width):
        raise InputError(
            f"cells along {name!r} do not touch, which those of a grid of YAC must; correct its "
            "bounds, or drop them"
        )
    return np.append(pairs[:, 0], pairs[-1, 1])


def _describe_unknown(part: str, field: str, name: str, known: object) -> str:
    names = [str(n) for n in known]  # type: ignore[attr-defined]
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" (is it {close[0]!r}?)" if close else ""
    return f"yac: {part}: {field}: {name!r}{hint} is none of {', '.join(names)}"
