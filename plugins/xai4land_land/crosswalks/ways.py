"""The cross-walks that come with the package, and ways over them from one legend to another."""

from __future__ import annotations

from functools import cache

from xai4land.errors import InputError
from xai4land_land.crosswalks.classes import DATA, FORMS, get_legend
from xai4land_land.crosswalks.table import Crosswalk

__all__ = ["find_way", "list_crosswalks"]


@cache
def list_crosswalks() -> tuple[Crosswalk, ...]:
    """List the cross-walks that come with the package."""
    return tuple(Crosswalk.read(path) for path in sorted(DATA.glob("*-to-*.csv")))


def find_way(start: str, end: str) -> Crosswalk:
    """Return the cross-walk from one legend to another, over the fewest tables.

    Raises
    ------
    InputError
        If no tables lead there; what can be reached is named.

    Examples
    --------
    >>> find_way("esa_cci", "ipcc").name
    'esa_cci-to-igbp, igbp-to-ipcc'
    """
    get_legend(end)
    reached: dict[str, Crosswalk | None] = {start: None}
    waiting = [start]
    while waiting:
        here = waiting.pop(0)
        for step in list_crosswalks():
            if step.source_legend != here or step.target_legend in reached:
                continue
            before = reached[here]
            assert step.target_legend is not None  # of all tables of the package
            reached[step.target_legend] = step if before is None else before.then(step)
            waiting.append(step.target_legend)
    way = reached.get(end)
    if way is not None:
        return way
    others = ", ".join("clm5" if name == FORMS else name for name in reached if name != start)
    nearest = sorted(
        {str(one.source_legend) for one in list_crosswalks() if one.target_legend == end}
    )
    raise InputError(
        f"no cross-walk leads from {start!r} to {end!r}, since classes would have to be told apart "
        f"that {start!r} has as one; it leads to {others or 'no other'}"
        + (f", and {end!r} is reached from {', '.join(nearest)}" if nearest else "")
        + "; give a cross-walk of your own: to_legend('my.csv')"
    )
