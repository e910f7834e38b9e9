"""Scores of change of all references on one case, beside a trained emulator of choice.

    python benchmarks/change.py                                   # the sample's land use history
    python benchmarks/change.py --case uk --data ../shared/data   # 2009 -> 2012
    python benchmarks/change.py --case new-guinea --data ../shared/data --network --disslucc

What is trained never sees the block that it is scored on: blocks lie in folds, and each fold is
mapped by an emulator of the others. Rules see the prior map alone.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import xai4land
from xai4land.emulator import Emulator
from xai4land_land import Legend, place_by_truth, place_randomly
from xai4land_land.change.references import change_reference
from xai4land_land.legends import LandClass

FOLDS = 4
RULES = {
    "density 1": {"rule": "density", "radius": 1.0},
    "density 6": {"rule": "density", "radius": 6.0},
    "suitability": {"rule": "suitability", "radius": 4},
}


@dataclass(frozen=True)
class Case:
    """Two maps of one region, and what is known of it.

    Attributes
    ----------
    data : Dataset
        States of both years.
    static : Dataset or None
    truth : DataArray
        Both maps.
    legend : str or Legend or None
    block, cell : float
        Degrees along a side of blocks, and of the cells that demand is of.
    constraints : dict
        Of the rule of suitability.
    network : dict
        How the network is trained.
    """

    data: xr.Dataset
    static: xr.Dataset | None
    truth: xr.DataArray
    legend: str | Legend | None
    block: float
    cell: float
    constraints: dict[str, dict[str, float]]
    network: dict[str, object]

    @property
    def years(self) -> list[int]:
        return [int(year) for year in self.truth[self.truth.dims[0]].dt.year]

    @property
    def before(self) -> xr.DataArray:
        return self.truth.isel({self.truth.dims[0]: 0})

    @property
    def after(self) -> xr.DataArray:
        return self.truth.isel({self.truth.dims[0]: 1})

    def folds(self) -> xr.DataArray:
        """Number the folds of blocks, so that neighbours are in different ones."""
        lat, lon = (self.truth[name] for name in self.truth.dims[1:])
        rows, columns = (
            np.floor(np.round(part / self.block, 9)).astype(int) for part in (lat + 90, lon + 180)
        )
        return (rows % 2) * 2 + columns % 2


def sample_case(_: Path) -> Case:
    world = xai4land.sample("land_history", years=[1990, 1998])
    return Case(
        data=world.drop_vars("land_cover"),
        static=None,
        truth=world.land_cover,
        legend=None,
        block=4.0,
        cell=0.5,
        constraints={"cropland": {"slope": -1.0}},
        network={"window": 64, "epochs": 6, "steps": 40, "batch_size": 4},
    )


def uk_case(folder: Path) -> Case:
    parts = (xr.open_dataset(folder / f"land/uk_{n}.nc") for n in ("states_0p25", "static_0p01"))
    states, static = (part.load() for part in parts)
    return Case(
        data=states,
        static=static[["elevation"]],
        truth=xr.open_dataset(folder / "land/uk_hilda_0p01.nc").land_cover.load(),
        legend="hilda",
        block=2.0,
        cell=0.25,
        constraints={"cropland": {"elevation": -1.0}, "urban": {"elevation": -1.0}},
        network={"window": 128, "epochs": 8, "steps": 60, "batch_size": 2},
    )


def new_guinea_case(folder: Path) -> Case:
    truth = xr.open_dataset(folder / "land/newguinea_west_cci_2001_2015_300m.nc").land_cover.load()
    names = str(truth.attrs["flag_meanings"]).split()
    codes = np.asarray(truth.attrs["flag_values"]).tolist()
    classes = [LandClass(c, n, "#808080") for c, n in zip(codes, names, strict=True)]
    states = xr.open_dataset(folder / "land/newguinea_states_0p25.nc").load()
    west = states.sel(lon=slice(None, float(truth.lon.max())))
    return Case(
        data=west,
        static=None,
        truth=truth,
        legend=Legend("new-guinea", tuple(classes), ({name: (name,) for name in names},)),
        block=2.0,
        cell=0.25,
        constraints={},
        network={"window": 160, "epochs": 6, "steps": 50, "batch_size": 2},
    )


CASES = {"sample": sample_case, "uk": uk_case, "new-guinea": new_guinea_case}


def apply_rule(case: Case, rule: str, **options: object) -> xr.DataArray:
    emulator = change_reference(
        rule, case.data, case.truth, static=case.static, legend=case.legend, **options
    )
    return roll(case, emulator, exchange=False)


def roll(case: Case, emulator: Emulator, exchange: bool) -> xr.DataArray:
    made = case.data.ai4land.reconstruct(
        emulator,
        static=case.static,
        prior=case.before,
        years=case.years,
        every=abs(case.years[1] - case.years[0]),
        exchange=exchange,
        baselines=False,
        precision="float32",
    )
    return made.land_cover.isel({made.land_cover.dims[0]: -1}).compute()


def train_on_other_folds(case: Case, folds: int, **options: object) -> dict[str, xr.DataArray]:
    """Map each fold by an emulator of the others; with the net change alone, and with exchange."""
    number = case.folds()
    maps: dict[str, xr.DataArray] = {}
    for fold in range(folds):
        known = case.truth.where(number != fold).assign_attrs(case.truth.attrs)
        emulator = case.data.ai4land.fit(
            known,
            static=case.static,
            prior=case.truth,
            pairs=[tuple(case.years)],
            legend=case.legend,
            masked_at_end=0.0,
            progress=False,
            **options,
        )
        for name, exchange in (("net", False), ("exchange", True)):
            made = roll(case, emulator, exchange)
            inside = (number == fold).values
            maps[name] = made if name not in maps else maps[name].where(~inside, made)
    return {name: part.assign_attrs(made.attrs) for name, part in maps.items()}


def run_disslucc(case: Case, like: xr.DataArray, limit: int = 300) -> xr.DataArray:
    """Run CLUE-S as disslucc has it, in each coarse cell by itself, with the cell's demand.

    Its potential is a logistic regression of where classes are in the prior map, by the shares of
    classes around; a cell that does not converge keeps the last of its iterations.
    """
    from disslucc import (
        AllocationDClueSLike,
        DemandPreComputedValues,
        LogisticRegressionSpec,
        PotentialDLogisticRegression,
    )
    from dissmodel.core import Environment
    from dissmodel.geo import RasterBackend
    from sklearn.linear_model import LogisticRegression

    from xai4land_land.change.neighbourhood import inverse_square_shares
    from xai4land_land.comparison import find_positions
    from xai4land_land.legends import flag_meanings

    flags = flag_meanings(like)
    names = list(dict.fromkeys(flags.values()))
    old, new = (
        find_positions(part, names, "the map", case.legend).values
        for part in (case.before, case.after)
    )
    known = (old < len(names)) & (new < len(names))
    one_hot = np.stack([(old == k) & known for k in range(len(names))])
    around = inverse_square_shares(torch.from_numpy(one_hot[None].astype(np.float32)), 4)[0].numpy()
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(known))[:50_000]
    x = around.reshape(len(names), -1)[:, chosen].T
    specs = []
    for k in range(len(names)):
        there = one_hot[k].ravel()[chosen]
        if there.all() or not there.any():
            specs.append(LogisticRegressionSpec(const=20.0 if there.all() else -20.0))
            continue
        fitted = LogisticRegression(max_iter=200).fit(x, there)
        betas = {f"share_{n}": float(b) for n, b in zip(names, fitted.coef_[0], strict=True)}
        const = float(fitted.intercept_[0])
        specs.append(LogisticRegressionSpec(const=const, elasticity=0.5, betas=betas))
    found = old.copy()
    rows, columns = (
        np.floor(np.round((case.truth[name].values + shift) / case.cell, 9)).astype(int)
        for name, shift in zip(case.truth.dims[1:], (90, 180), strict=True)
    )
    for row in np.unique(rows):
        for column in np.unique(columns):
            box = np.ix_(rows == row, columns == column)
            inside = known[box]
            counts = [np.bincount(m[box][inside], minlength=len(names)) for m in (old, new)]
            if not inside.any() or (counts[0] == counts[1]).all():
                continue
            backend = RasterBackend(shape=inside.shape)
            backend.set("mask", inside)
            for k, name in enumerate(names):
                backend.set(name, one_hot[k][box].astype(np.float32))
                backend.set(f"share_{name}", around[k][box])
            environment = Environment(end_time=0)  # which its models join
            demand = DemandPreComputedValues(
                annual_demand=[counts[1].astype(float).tolist()], land_use_types=names
            )
            PotentialDLogisticRegression(
                backend=backend, potential_data=[specs], land_use_types=names
            )
            AllocationDClueSLike(
                backend=backend,
                demand=demand,
                land_use_types=names,
                transition_matrix=[np.ones((len(names), len(names)), int).tolist()],
                max_difference=max(0.01 * inside.sum(), 1),
                max_iteration=limit,
                factor_iteration=0.5 / inside.sum(),
            )
            with suppress(RuntimeError), redirect_stdout(None):
                environment.run()
            made = np.stack([backend.get(name) for name in names]).argmax(0)
            found[box] = np.where(inside, made, found[box])
    first = {name: next(c for c, n in flags.items() if n == name) for name in names}
    codes = np.array([first[name] for name in names] + [0] * (256 - len(names)))
    values = np.where(known, codes[found], like.values)
    return like.copy(data=values.astype(like.dtype))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=list(CASES), default="sample")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", type=int, default=FOLDS, help="folds that are trained for")
    parser.add_argument("--rounds", type=int, default=150, help="of boosting")
    parser.add_argument("--network", action="store_true", help="train the U-Net, too")
    parser.add_argument("--disslucc", action="store_true", help="run CLUE-S, too")
    args = parser.parse_args()
    case = CASES[args.case](args.data)
    maps: dict[str, xr.DataArray] = {}
    seconds: dict[str, float] = {}

    def note(name: str, action: Callable[[], xr.DataArray | dict[str, xr.DataArray]]) -> None:
        start = time.perf_counter()
        made = action()
        found = {name: made} if isinstance(made, xr.DataArray) else made
        for part, map_ in found.items():
            key = name if isinstance(made, xr.DataArray) else f"{name}, {part}"
            maps[key], seconds[key] = map_, time.perf_counter() - start
            print(f"{key}: {seconds[key]:.0f} s", flush=True)

    note("random", lambda: apply_rule(case, "random"))
    for name, options in RULES.items():
        note(name, lambda o=options: apply_rule(case, **o))
    if case.constraints:
        suit = {"radius": 4, "constraints": case.constraints}
        note("suitability, constrained", lambda: apply_rule(case, "suitability", **suit))
    trees = {"architecture": "boosted-transitions", "parameters": {"rounds": args.rounds}}
    if args.folds:
        window = case.network["window"]
        note("boosted", lambda: train_on_other_folds(case, args.folds, window=window, **trees))
    if args.folds and args.network:
        unet = {"parameters": {"widths": [32, 48, 64]}, "masked": 0.1, **case.network}
        note("network", lambda: train_on_other_folds(case, args.folds, **unet))
    like = maps["random"]
    if args.disslucc:
        note("disslucc", lambda: run_disslucc(case, like))
    before, after = (
        part.drop_vars(part.dims and [n for n in part.coords if n not in part.dims])
        for part in (case.before, case.after)
    )
    for name, oracle in (("amounts", place_randomly), ("places", place_by_truth)):
        note(f"oracle of {name}", lambda o=oracle: match(o(before, after, cell=case.cell), like))
    report(case, maps, seconds, args.folds)


def match(made: xr.DataArray, like: xr.DataArray) -> xr.DataArray:
    """Return a map of the truth's legend in the codes of others."""
    from xai4land_land.comparison import find_positions
    from xai4land_land.legends import flag_meanings

    flags = flag_meanings(like)
    names = list(dict.fromkeys(flags.values()))
    first = [next(c for c, n in flags.items() if n == name) for name in names]
    table = np.full(256, 255)
    table[: len(names)] = first
    found = find_positions(made, names, "the map").values
    return like.copy(data=table[found].astype(like.dtype))


def report(
    case: Case, maps: dict[str, xr.DataArray], seconds: dict[str, float], folds: int
) -> None:
    """Print figures of merit, accuracies and 90 % intervals over blocks, of the trained folds."""
    names = {f"land_cover_{n}": part for n, part in maps.items() if n != "random"}
    made = xr.Dataset({"land_cover": maps["random"], **names})
    inside = case.folds() < (folds or FOLDS)
    truth = case.after.where(inside).assign_attrs(case.truth.attrs)
    scores = made.ai4land.evaluate(
        truth, prior=case.before, blocks=case.block, legend=case.legend
    ).compute()
    print(f"{'':26} merit  90 % interval  accuracy  seconds")
    for source in scores.source.values.tolist():
        row = scores.sel(source=source)
        low, high = row.figure_of_merit_interval.values.ravel()[:2]
        name = "random" if source == "emulator" else source
        print(
            f"{name:26} {float(row.figure_of_merit.squeeze()):.3f}  {low:.3f} to {high:.3f}  "
            f"{float(row.accuracy):.4f}    {seconds.get(name, 0):.0f}"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
