"""Scores of change of all references on one case, beside a trained emulator of choice.

    python benchmarks/change.py                                   # the sample's land use history
    python benchmarks/change.py --case uk --data ../shared/data   # 2009 -> 2012
    python benchmarks/change.py --case new-guinea --data ../shared/data --network --disslucc
    python benchmarks/change.py --case santarem --data ../shared/data --emulator change-landcover

What is trained never sees the block that it is scored on: blocks lie in folds, and each fold is
mapped by an emulator of the others. Rules see the prior map alone. ``change_cases`` has the cases.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from change_cases import CASES, FOLDS, MISSING, Case

from xai4land.emulator import Emulator, load_emulator
from xai4land.errors import InputError
from xai4land.scores.blocks import bootstrap_blocks
from xai4land.scores.change import PARTS, figure_of_merit
from xai4land.scores.windows import match_in_windows
from xai4land_land import place_by_truth, place_randomly
from xai4land_land.change.references import change_reference

RULES = {
    "density 1": {"rule": "density", "radius": 1.0},
    "density 6": {"rule": "density", "radius": 6.0},
    "suitability": {"rule": "suitability", "radius": 4},
}


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


def roll_both(case: Case, emulator: Emulator) -> dict[str, xr.DataArray]:
    """Map by an emulator, with the net change alone and with exchange."""
    return {name: roll(case, emulator, name == "exchange") for name in ("net", "exchange")}


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
        for name, made in roll_both(case, emulator).items():
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
    parser.add_argument("--emulator", help="map the case by a trained emulator, too")
    parser.add_argument("--disslucc", action="store_true", help="run CLUE-S, too")
    args = parser.parse_args()
    case = CASES[args.case](args.data)
    maps: dict[str, xr.DataArray] = {}
    seconds: dict[str, float] = {}

    def note(name: str, action: Callable[[], xr.DataArray | dict[str, xr.DataArray]]) -> None:
        start = time.process_time()
        made = action()
        found = {name: made} if isinstance(made, xr.DataArray) else made
        for part, map_ in found.items():
            key = name if isinstance(made, xr.DataArray) else f"{name}, {part}"
            maps[key], seconds[key] = map_, time.process_time() - start
            print(f"{key}: {seconds[key]:.0f} s", flush=True)

    note("random", lambda: apply_rule(case, "random"))
    for name, options in RULES.items():
        note(name, lambda o=options: apply_rule(case, **o))
    if case.constraints:
        suit = {"radius": 4, "constraints": case.constraints}
        note("suitability, constrained", lambda: apply_rule(case, "suitability", **suit))
    if args.emulator:
        try:
            note(args.emulator, lambda: roll_both(case, load_emulator(args.emulator)))
        except InputError as error:
            print(f"{args.emulator} cannot map this case: {error}")
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
    found = (score_pixels if case.zones is None else score_zones)(case, maps, args.folds or FOLDS)
    found["seconds"] = pd.Series(seconds).round()
    print(found.to_string(float_format="{:.4f}".format))


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


def score_pixels(case: Case, maps: dict[str, xr.DataArray], folds: int) -> pd.DataFrame:
    """Return figures of merit with 90 % intervals, and accuracies, of the first folds."""
    names = {f"land_cover_{n}": part for n, part in maps.items() if n != "random"}
    made = xr.Dataset({"land_cover": maps["random"], **names})
    truth = case.after.where(case.folds() < folds).assign_attrs(case.truth.attrs)
    scores = made.ai4land.evaluate(
        truth, prior=case.before, blocks=case.block, legend=case.legend
    ).compute()
    rows = {}
    for source in scores.source.values.tolist():
        one = scores.sel(source=source)
        low, high = one.figure_of_merit_interval.values.ravel()[:2]
        name = "random" if source == "emulator" else source
        merit, accuracy = float(one.figure_of_merit.squeeze()), float(one.accuracy)
        rows[name] = {"merit": merit, "from": low, "to": high, "accuracy": accuracy}
    return pd.DataFrame(rows).T


def score_zones(case: Case, maps: dict[str, xr.DataArray], folds: int) -> pd.DataFrame:
    """Return the same of units, of whose pixels only the number of each transition counts.

    Hits are the smaller of the observed and the simulated area of a transition in a unit, as in the
    windows of ``evaluate``. The accuracy is the area that has the right class, in its unit.
    """
    inside = (case.zones.values >= 0) & (case.folds().values < folds)
    zone = case.zones.values[inside]
    order = np.argsort(zone, kind="stable")
    lat, lon = (np.floor(case.truth[n].values / case.block) for n in case.truth.dims[1:])
    block = (lat[:, None] * 1000 + lon)[inside][order]
    sources = {"persistence": case.before, **maps}
    zone, flat = zone[order], {n: m.values[inside][order] for n, m in sources.items()}
    true, before = case.after.values[inside][order], flat["persistence"]
    blocks = np.unique(block)
    sums = np.zeros((len(sources), blocks.size, len(PARTS)))
    right = dict.fromkeys(sources, 0.0)
    for number, one in enumerate(blocks):
        here = block == one
        rows = xr.DataArray(np.unique(zone[here], return_inverse=True)[1], dims="lat")
        for k, (name, made) in enumerate(flat.items()):
            parts = [
                xr.DataArray(m[here][:, None].astype(np.uint8), dims=("lat", "lon"))
                for m in (before, true, made)
            ]
            weights = xr.ones_like(rows, float)
            windows = rows, xr.DataArray([0], dims="lon")
            sums[k, number, :4] = match_in_windows(parts, weights, windows, MISSING)
            counts = [np.bincount(rows.values * 256 + m.values[:, 0]) for m in parts[1:]]
            size = max(c.size for c in counts)
            right[name] += np.minimum(*(np.pad(c, (0, size - c.size)) for c in counts)).sum()
    table = xr.DataArray(sums, dims=("source", "block", "area"))

    def score(parts: xr.Dataset) -> xr.Dataset:
        return xr.Dataset({"merit": figure_of_merit(parts)})

    bounds = bootstrap_blocks(table, score, ["merit"]).merit_interval.values
    areas = dict(zip(PARTS, table.sum("block").transpose("area", ...), strict=True))
    merit = figure_of_merit(xr.Dataset(areas)).values
    found = pd.DataFrame({"merit": merit, "from": bounds[:, 0], "to": bounds[:, 1]}, list(sources))
    return found.assign(accuracy=pd.Series(right) / true.size)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
