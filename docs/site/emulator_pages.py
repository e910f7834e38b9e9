"""A page for each bundled emulator, made from its card when the site is built."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xai4land

if TYPE_CHECKING:
    from sphinx.application import Sphinx

__all__ = ["make_page", "setup", "write_pages"]

Table = Iterable[Iterable[object]]

PAGES = {
    "change-landcover": ("change.md", "Years that follow each other"),
    "leaf-area": ("leaf-area.md", "Monthly leaf area"),
    "modis-landcover-0p05": ("modis.md", "Land cover of the Earth at 0.05°"),
    "sample-landcover": ("tutorial.md", "Tutorial in three steps"),
    "seasonal": ("seasonal.md", "Seasonal forecasts"),
}
"""The page that says more."""

PICTURES = {
    "change-landcover": (
        "change-years.png",
        "A rollout, here of the sample planet by a rule in place of the emulator",
    ),
    "leaf-area": ("leaf-area-map.png", "Southwest China, left out of training: January and July"),
    "modis-landcover-0p05": (
        "modis.png",
        "Around the Channel: coarse majority, the emulator's map, its confidence",
    ),
    "sample-landcover": (
        "planet.png",
        "Part of the sample planet: coarse majority, the emulator's map, its confidence",
    ),
    "seasonal": ("seasonal.png", "Mean and most likely tercile of a forecast of winter"),
}


def write_pages(app: Sphinx) -> None:
    """Write the pages of the emulators that come with the package."""
    folder = Path(app.srcdir) / "emulators"
    table = xai4land.emulators()
    bundled = {name: xai4land.load_emulator(name) for name in table.name[table.source == "bundled"]}
    for name, emulator in bundled.items():
        write_if_new(folder / f"{name}.md", make_page(emulator))
    rows = ((f"[`{name}`]({name}.md)", e.card.title, e.card.grid) for name, e in bundled.items())
    write_if_new(folder / "_table.md", make_table(("", "what it gives", "grid"), rows))


def write_if_new(page: Path, text: str) -> None:
    """Write a page, unless it is there: Sphinx would read it again."""
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


def make_page(emulator: Any) -> str:
    """Return an emulator's page."""
    card = emulator.card
    blocks = [f"# `{card.name}`", f"{card.title}."]
    if card.name in PICTURES:
        file, caption = PICTURES[card.name]
        blocks.append(f"![{caption}](../images/{file})\n\n*{caption}.*")
    if card.name in PAGES:
        file, title = PAGES[card.name]
        blocks.append(f"How it is made and used: [{title}](../{file}).")
    blocks.append(f'```python\nemulator = xai4land.load_emulator("{card.name}")\n```')
    blocks.append(make_table(("", "on the card"), list_facts(emulator)))
    blocks += ["## Inputs", *make_inputs(card)]
    blocks += make_classes(card)
    blocks += ["## Learned from", make_training(card.training)]
    if card.metrics:
        blocks += ["## Scores", *make_scores(card.metrics)]
    return "\n\n".join(blocks) + "\n"


def list_facts(emulator: Any) -> Iterator[tuple[str, str]]:
    """Yield what the card says in a line each; inputs have a table of their own."""
    card = emulator.card
    parameters = sum(weights.numel() for weights in emulator.weights.values())
    roles = {spec.role for spec in getattr(card, "inputs", ())}
    yield "gives", card.gives
    yield from ((name, text) for name, text in card.facts if text and name not in roles)
    yield "network", f"{card.architecture.name}, {parameters:,} parameters"
    if emulator.couplings:
        yield "inside models", f"[{', '.join(emulator.couplings)}](../coupling.md)"
    if emulator.speed:
        yield "speed", emulator.speed
    yield "licence", card.licence
    yield "SHA-256", f"`{emulator.sha256}`"


def make_inputs(card: Any) -> Iterator[str]:
    """Make a table of the inputs: those of maps, or a seasonal emulator's predictors."""
    if hasattr(card, "inputs"):
        yield make_table(
            ("name", "what it is", "units", "role", "valid range"),
            (
                (
                    f"`{spec.name}`",
                    spec.long_name or spec.standard_name,
                    "codes" if spec.coded else spec.units,
                    spec.role,
                    " to ".join(map(format_value, spec.valid_range or ())),
                )
                for spec in card.inputs
            ),
        )
    else:
        yield make_table(
            ("name", "standard name", "units"),
            ((f"`{v.name}`", v.standard_name, v.units) for v in card.predictors),
        )


def make_classes(card: Any) -> Iterator[str]:
    """Make a table of the legend, where the outputs have one."""
    classes = getattr(getattr(card, "outputs", None), "classes", ())
    if classes and hasattr(classes[0], "value"):
        yield "## Legend"
        swatch = '<span class="swatch" style="background:{}"></span>'.format
        yield make_table(
            ("flag", "class", "", "states that it is made from"),
            (
                (c.value, f"`{c.name}`", swatch(c.colour), ", ".join(c.states) or "the rest")
                for c in classes
            ),
        )


def make_training(training: Mapping[str, Any]) -> str:
    """Make a table of what the card says about the training, losses of epochs left out."""
    rows = [
        (name.replace("_", " "), f"`{value}`" if name == "command" else format_value(value))
        for name, value in training.items()
        if name != "validation_loss"
    ]
    return make_table(("", "on the card"), rows)


def make_scores(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Make tables of the scores: single ones, those of parts, and several of each part."""
    single = {name: value for name, value in metrics.items() if not isinstance(value, Mapping)}
    rows = {name: value for name, value in metrics.items() if is_row(value)}
    if single:
        yield make_table(("score", ""), ((n, format_value(v)) for n, v in single.items()))
    if rows:
        yield make_scores_of_parts(rows)
    for name, parts in metrics.items():
        if isinstance(parts, Mapping) and name not in rows:
            yield f"**{name}**"
            yield make_scores_of_parts(parts)


def is_row(value: object) -> bool:
    """Tell whether a value is a mapping of single scores."""
    return isinstance(value, Mapping) and not any(isinstance(v, Mapping) for v in value.values())


def make_scores_of_parts(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Make a table with a row a part, and a column a score."""
    names = list(dict.fromkeys(name for scores in parts.values() for name in scores))
    rows = (
        (part, *(format_value(scores.get(name, "")) for name in names))
        for part, scores in parts.items()
    )
    return make_table(("", *(name.replace("_", " ") for name in names)), rows)


def format_value(value: object) -> str:
    """Return a number, text, list or mapping as a table's text."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {format_value(v)}" for name, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(format_value, value))
    return str(value)


def make_table(head: Iterable[str], rows: Table) -> str:
    """Return a table of Markdown."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(escape(cell) for cell in line) + " |" for line in lines)


def escape(cell: object) -> str:
    """Return a cell's text on one line, without the table's own sign."""
    return str(cell).replace("|", "\\|").replace("\n", " ")


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
