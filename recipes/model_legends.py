"""Draw the land cover of 2005 as CLM5 and IFS read it: ``docs/images/legends.png``.

    python recipes/model_legends.py IGBP.nc KOPPEN.nc legends.png

IGBP.nc holds ``land_cover`` in the classes of IGBP, 1 to 17 (MCD12C1), KOPPEN.nc ``koppen``
(Rubel et al. 2017). No monthly climate is read, so the types of plants follow Köppen's classes.
"""

from __future__ import annotations

import sys

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.colors import ListedColormap

import xai4land  # noqa: F401 (registers the accessor)
from xai4land_land import check_clm_surface, check_ifs_cover
from xai4land_land.crosswalks.classes import class_names, get_legend


def draw_classes(axes, codes, legend: str, title: str) -> None:
    """Draw a map of codes in the colours of a legend, and name those that cover the most cells."""
    classes = {c.value: c for c in get_legend(legend).classes}
    values = codes.transpose("lat", "lon").values
    present = [int(k) for k in np.unique(values[np.isfinite(values)]) if k in classes]
    lookup = {k: n for n, k in enumerate(present)}
    numbered = np.vectorize(lambda k: lookup.get(k, np.nan), otypes=[float])(values)
    colours = ListedColormap([classes[k].colour for k in present])
    axes.imshow(numbered, extent=(-180, 180, -90, 90), cmap=colours, interpolation="nearest",
                vmin=-0.5, vmax=len(present) - 0.5)  # fmt: skip
    handles = [
        plt.Rectangle(
            (0, 0), 1, 1, color=classes[k].colour, label=classes[k].name.replace("_", " ")
        )
        for k in present
    ]
    axes.legend(
        handles=handles,
        fontsize=5.5,
        ncols=4,
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        frameon=False,
        handlelength=1.2,
        columnspacing=1,
    )
    axes.set_title(title, fontsize=9)


def main(igbp: str, koppen: str, out: str) -> None:
    cover = xr.open_dataset(igbp)[["land_cover"]].fillna(0).astype("uint8") % 17  # 17 is water
    names = {"flag_values": np.arange(17, dtype="u1")}
    names["flag_meanings"] = " ".join(class_names("igbp"))
    cover["land_cover"].attrs = names
    zones = xr.open_dataset(koppen).koppen
    coarse = cover.ai4land.fractions(1.0).compute()
    types = coarse.ai4land.to_legend("clm5", koppen=zones)
    surface = coarse.ai4land.to_clm_surface(koppen=zones, land=zones != 32)
    vegetation = coarse.ai4land.to_ifs_cover(koppen=zones)
    for problem in check_clm_surface(surface) + check_ifs_cover(vegetation):
        print(problem)
    area = surface.AREA * surface.LANDFRAC_PFT * surface.PFTDATA_MASK / 1e6
    for name in ("PCT_NATVEG", "PCT_CROP", "PCT_LAKE", "PCT_WETLAND", "PCT_GLACIER"):
        print(f"{name}: {float((area * surface[name]).sum() / 100):.2f} million km2")
    for k, one in enumerate(get_legend("clm5").classes[:15]):
        share = area * surface.PCT_NATVEG * surface.PCT_NAT_PFT.sel(natpft=k) / 1e4
        print(f"  {one.name}: {float(share.sum()):.2f}")
    land = (zones != 32).astype(float).ai4land.regrid(1.0, engine="xarray-regrid") > 0.02
    vegetation = vegetation.where(land)
    figure, ((upper, right), (lower, last)) = plt.subplots(2, 2, figsize=(11, 7.6))
    fractions = types.land_cover_fraction
    largest = fractions.fillna(-1).argmax("land_cover_class")
    code = fractions.land_cover_class[largest].where(
        land & fractions.notnull().all("land_cover_class")
    )
    draw_classes(upper, code, "clm5", "largest class of CLM5")
    grass = fractions.sel(land_cover_class=[12, 13, 14])
    share = (grass.sel(land_cover_class=14) / grass.sum("land_cover_class")).where(
        grass.sum("land_cover_class") > 0.05
    )
    image = right.imshow(share.transpose("lat", "lon"), extent=(-180, 180, -90, 90), cmap="viridis")
    right.set_title("share of C4 in the grass (where it covers 5 %)", fontsize=9)
    figure.colorbar(image, ax=right, orientation="horizontal", shrink=0.6, pad=0.04)
    draw_classes(lower, vegetation.tvl, "ifs", "type of low vegetation of IFS (tvl)")
    draw_classes(last, vegetation.tvh, "ifs", "type of high vegetation of IFS (tvh)")
    for axes in figure.axes[:4]:
        axes.set(xticks=[], yticks=[])
    figure.savefig(out, dpi=110, bbox_inches="tight")


if __name__ == "__main__":
    main(*sys.argv[1:])
