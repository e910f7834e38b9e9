"""What the plugin shows of itself: the sample planet, reconstructed and scored."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["demo"]


def demo(out: Path, progress: bool) -> None:
    """Reconstruct the sample planet offline, score it, write a Zarr store and pictures."""
    import xai4land
    from xai4land.commands.tables import format_table
    from xai4land.store import open_store, write
    from xai4land_land.landcover import reconstruct
    from xai4land_land.plots import plot, plot_scores
    from xai4land_land.scores import evaluate, summarise

    planet = xai4land.sample("land")
    truth = planet.land_cover
    path = out / "planet.zarr"
    made = reconstruct(planet.drop_vars("land_cover"), "sample-landcover")
    write(made, path, overwrite=True, progress=progress)
    world = open_store(path)
    scores = evaluate(world, truth).compute()
    click.echo(f"sample planet, years {', '.join(str(y) for y in truth.time.dt.year.values)}")
    click.echo(format_table(summarise(scores)))
    region = {"lat": slice(45, 5), "lon": slice(-105, -55)}
    plot(world.sel(region)).savefig(out / "planet.png", dpi=150)
    plot_scores(scores).savefig(out / "scores.png", dpi=150)
    click.echo(f"wrote {path}, {out / 'planet.png'} and {out / 'scores.png'}")
