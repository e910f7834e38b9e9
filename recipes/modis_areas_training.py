"""Train ``modis-landcover-0p05`` further, with and without exact areas in the loss.

    python recipes/modis_areas_training.py FOLDER

``FOLDER`` holds the files of ``modis_landcover.py``. Both trainings begin with the shipped weights
and take the same steps; scores are of the validation blocks inside of the training blocks, so the
held-out blocks stay unseen. What came out is in docs/areas.md.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import xarray as xr

import xai4land
from xai4land.heads.areas import bound_counts, log_score
from xai4land.heads.assign import assign, to_steps
from xai4land.heads.classes import ClassHead
from xai4land.heads.conserve import PURE, members_of_cells
from xai4land.heads.loss import Loss
from xai4land.training.data import TrainingData
from xai4land.training.distributed import World
from xai4land.training.fit import train_on
from xai4land.training.regions import Region
from xai4land.training.settings import MapSettings
from xai4land_land import LAND_STATES

folder = Path(sys.argv[1])
MARGIN = 1.0
"""What a wrong pixel adds to the score of a map, in units of the logarithm of probability."""
SETTINGS = MapSettings(
    epochs=4, steps=50, learning_rate=3e-4, weight_decay=0.1, schedule="cosine", ema=0.98
)
cross_entropy = ClassHead.loss


def find_worst(score: torch.Tensor, truth: torch.Tensor, cells) -> torch.Tensor:
    """Find the map with exact areas that beats the true one by most, where wrong pixels count."""
    right = truth[None] == torch.arange(len(score))[:, None, None]
    layout = members_of_cells(cells)
    wanted = cells.values.reshape(len(score), -1)
    places = layout.to_cells(torch.ones_like(score[:1]))[0] > 0
    bounds = bound_counts(wanted, places.sum(0), 0.0)
    found = layout.to_cells(truth[None].float())[0].long()
    open_ = (torch.isfinite(wanted).all(0) & (wanted.amax(0) < PURE)).nonzero()[:, 0]
    steps = to_steps(layout.to_cells(score + MARGIN * ~right))
    args = [part[..., open_] for part in (steps, places, *bounds)]
    found[:, open_] = assign(*args).clamp(min=0)
    return layout.to_pixels(found[None].float())[0].long()


def with_margin(self, raw, guess, windows) -> Loss:
    """Add to the loss by how much the worst map beats the true one (Tsochantaridis et al. 2005)."""
    loss = cross_entropy(self, raw, guess, windows)
    if not torch.is_grad_enabled():
        return loss
    total = loss.total
    for likely, window in zip(self.probabilities_of(raw, guess, windows), windows, strict=True):
        score, truth = log_score(likely.clamp(min=1e-6)), window.truth[0].long()
        area = window.area * (truth != 255)
        truth = truth.clamp(max=len(score) - 1)
        worst = find_worst(score.detach(), truth, window.cells)
        beats = score.gather(0, worst[None]) - score.gather(0, truth[None])
        total = total + ((beats[0] + MARGIN * (worst != truth)) * area).sum()
    return Loss(total, loss.weight)


def measure(name: str, emulator: xai4land.Emulator) -> None:
    """Print scores of free and of exact areas on the validation blocks."""
    how = {"static": static, "target": truth, "baselines": False}
    made = states.ai4land.reconstruct(emulator, **how)
    made["land_cover_exact"] = states.ai4land.reconstruct(emulator, areas="exact", **how).land_cover
    scores = made.compute().ai4land.evaluate(truth.where(judged), where=held, cells=0.25)
    columns = ["accuracy", "mean_iou", "border_ratio", "misplaced_area"]
    print(f"\n{name}\n{scores[columns].to_dataframe()[columns].round(4).to_string()}")
    print(f"calibration error {float(scores.calibration_error[0]):.4f}")


states = xr.open_dataset(folder / "global_states_2019_0p25.nc").load()
static = xr.open_dataset(folder / "global_static_0p1.nc").load()
truth = xr.open_dataset(folder / "global_igbp_2019_0p05.nc").land_cover.load()
row, column = np.floor((90 - truth.lat) / 15), np.floor((truth.lon + 180) / 15)
test = (row + column) % 3 == 0
water = states.water.isel(time=0, drop=True).reindex_like(truth, method="nearest")
judged = (water < 1 - 1e-6) & (truth.lat > -60) & (truth != 0) & ~test

shipped = xai4land.load_emulator("modis-landcover-0p05")
codes = xr.full_like(truth, 255, dtype=np.uint8)
for code, place in LAND_STATES.positions(truth).items():
    codes = codes.where((truth != code) | test, place)
region = Region(states, [codes.expand_dims(time=states.time).drop_attrs()], static)
data = TrainingData.of(shipped.card, [region], SETTINGS)
_, validation = data.find(0.15, SETTINGS, None, World(), False).sides[0]
held = xr.DataArray(validation.holds(truth.lat.values, truth.lon.values), truth.coords, truth.dims)

measure("shipped", shipped)
for name, loss in (("the same loss", cross_entropy), ("with the margin", with_margin)):
    ClassHead.loss = loss
    measure(name, train_on(shipped, [region], settings=SETTINGS))
