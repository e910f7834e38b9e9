"""``xai4land prefetch``: fill the cache folder for nodes without a network."""

from __future__ import annotations

import click

from xai4land.errors import InputError

__all__ = ["prefetch"]

MAX_VALUES_SHOWN = 20


@click.command()
@click.argument("catalog")
@click.option(
    "--only",
    "conditions",
    multiple=True,
    metavar="COLUMN=VALUE",
    help="What to copy; may be given several times, also for one column.",
)
@click.option("--years", type=int, nargs=2, help="First and last year to copy of Zarr stores.")
@click.option("--refresh", is_flag=True, help="Get the newest table of the catalog.")
@click.option("--list", "listing", is_flag=True, help="Show what would be copied.")
@click.option("--quiet", is_flag=True, help="Show no progress.")
def prefetch(
    catalog: str,
    conditions: tuple[str, ...],
    years: tuple[int, int] | None,
    refresh: bool,
    listing: bool,
    quiet: bool,
) -> None:
    """Copy parts of CATALOG (cmip6, era5, land, or a .json) into the cache folder.

    Without --only its table alone is brought here.
    """
    from xai4land.catalogs.opening import open_catalog, refresh_table
    from xai4land.catalogs.prefetching import prefetch
    from xai4land.catalogs.reading import select_newest

    query = _parse_query(conditions)
    if refresh:
        refresh_table(catalog, progress=not quiet)
    opened = open_catalog(catalog)
    unknown = sorted(set(query) - set(opened.df))
    if unknown:
        raise InputError(
            f"the catalog has no column {', '.join(unknown)}; it has {', '.join(opened.df)}"
        )
    if not query:
        click.echo(f"{catalog}: {len(opened.df)} assets; choose with --only COLUMN=VALUE")
        values = opened.unique()
        for attribute in opened.esmcat.attributes:
            some = sorted(map(str, values[attribute.column_name]))
            if 1 < len(some) <= MAX_VALUES_SHOWN:
                click.echo(f"  {attribute.column_name}: {', '.join(some)}")
        return
    found = select_newest(opened.search(**query))
    if not len(found.df):
        raise InputError(
            f"nothing in {catalog} has {' and '.join(conditions)}; run xai4land prefetch {catalog} "
            "to see what there is"
        )
    if listing:
        for address in found.df[found.esmcat.assets.column_name]:
            click.echo(address)
        return
    copies = prefetch(found, years=years, progress=not quiet)
    for path in copies:
        click.echo(f"copied to {path}")
    if not copies:
        click.echo("all of it lies on this machine already")


def _parse_query(conditions: tuple[str, ...]) -> dict[str, list[str]]:
    query: dict[str, list[str]] = {}
    for text in conditions:
        column, sign, value = text.partition("=")
        if not (column and sign and value):
            raise click.BadParameter(f"{text!r} is not COLUMN=VALUE", param_hint="--only")
        query.setdefault(column, []).append(value)
    return query
