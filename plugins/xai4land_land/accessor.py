"""``ds.ai4land``: validates, delegates, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from xai4land.device import Precision
    from xai4land.emulator import Emulator
    from xai4land.explaining.explain import Explanation
    from xai4land.grids.grid import Target
    from xai4land.inference.predict import Chunks
    from xai4land.regridding.engines import Engine
    from xai4land.regridding.fields import Method
    from xai4land_land.legends import Legend

__all__ = ["LandAccessor"]


class LandAccessor:
    """Land use and land cover from coarse states.

    Each method has a typed function of the same name and arguments in ``xai4land_land``, where
    it is documented.
    """

    def __init__(self, data: xr.Dataset) -> None:
        self._data = data

    def reconstruct(
        self,
        emulator: str | os.PathLike[str] | Emulator | None = None,
        *,
        static: xr.Dataset | None = None,
        target: Target = None,
        probabilities: bool = False,
        baselines: bool = True,
        chunks: Chunks = None,
        batch_size: int = 8,
        device: str = "auto",
        precision: Precision = "auto",
    ) -> xr.Dataset:
        """Land cover at high resolution, lazily; see :func:`xai4land_land.reconstruct`."""
        from xai4land_land.landcover import reconstruct

        return reconstruct(
            self._data,
            emulator,
            static=static,
            target=target,
            probabilities=probabilities,
            baselines=baselines,
            chunks=chunks,
            batch_size=batch_size,
            device=device,
            precision=precision,
        )

    def explain(self) -> Explanation:
        """What a lazy reconstruction will take; see :func:`xai4land_land.explain`."""
        from xai4land.explaining.explain import explain

        return explain(self._data)

    def fit(
        self,
        truth: xr.Dataset | xr.DataArray,
        *,
        static: xr.Dataset | None = None,
        legend: str | Legend | None = None,
        inputs: Sequence[str] | None = None,
        name: str = "my-landcover",
        title: str = "",
        licence: str = "",
        command: str = "",
        architecture: str = "unet",
        parameters: dict[str, Any] | None = None,
        window: int | None = None,
        conserve: bool = True,
        epochs: int = 20,
        steps: int = 50,
        batch_size: int = 8,
        learning_rate: float = 2e-3,
        weight_decay: float = 0.05,
        validation: float = 0.15,
        seed: int = 0,
        device: str = "auto",
        progress: bool = True,
    ) -> Emulator:
        """Train an emulator; see :func:`xai4land_land.fit`."""
        from xai4land_land.fitting import fit

        return fit(
            self._data,
            truth,
            static=static,
            legend=legend,
            inputs=inputs,
            name=name,
            title=title,
            licence=licence,
            command=command,
            architecture=architecture,
            parameters=parameters,
            window=window,
            conserve=conserve,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            validation=validation,
            seed=seed,
            device=device,
            progress=progress,
        )

    def evaluate(
        self,
        truth: xr.Dataset | xr.DataArray,
        *,
        name: str = "land_cover",
        legend: str | Legend | None = None,
    ) -> xr.Dataset:
        """Scores beside the baselines, lazily; see :func:`xai4land_land.evaluate`."""
        from xai4land_land.scores import evaluate

        return evaluate(self._data, truth, name=name, legend=legend)

    def summarise(self) -> Any:
        """Scores as a table; see :func:`xai4land_land.summarise`."""
        from xai4land_land.scores import summarise

        return summarise(self._data)

    def regrid(
        self,
        target: float | xr.Dataset | xr.DataArray,
        method: Method = "conservative",
        *,
        engine: Engine = "auto",
        least: float = 0.5,
    ) -> xr.Dataset:
        """Bring fields to another grid; see :func:`xai4land.regrid`."""
        from xai4land.regridding import regrid

        return regrid(self._data, target, method, engine=engine, least=least)

    def write(
        self, path: str | os.PathLike[str], *, overwrite: bool = False, progress: bool = True
    ) -> Path:
        """Compute block by block into a store; see :func:`xai4land_land.write`."""
        from xai4land.store import write

        return write(self._data, path, overwrite=overwrite, progress=progress)

    def plot(
        self,
        *,
        beside: Mapping[str, xr.DataArray] | None = None,
        time: int = -1,
        name: str = "land_cover",
    ) -> Figure:
        """Draw a map; see :func:`xai4land_land.plot`."""
        from xai4land_land.plots import plot

        return plot(self._data, beside=beside, time=time, name=name)
