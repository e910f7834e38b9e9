"""What a Jupyter notebook shows: in a kernel of its own, as a reader would run it."""

from __future__ import annotations

import json
import os

import nbformat
import pytest
from nbclient import NotebookClient

CELLS = {
    "map": """
        import xai4land
        planet = xai4land.sample("land", years=[2000]).drop_vars("land_cover")
        cut = planet.sel(lat=slice(40, 20), lon=slice(-100, -80))
        cut = cut.sel(lat_fine=slice(40, 20), lon_fine=slice(-100, -80))
        world = cut.ai4land.reconstruct()
        world.ai4land.plot()""",
    "with pyplot": """
        import matplotlib.pyplot as plt
        world.ai4land.plot()""",
    "inline": """
        %matplotlib inline
        world.ai4land.plot()""",
    "saved": 'world.ai4land.plot().savefig("map.png")',
    "season": """
        climate = xai4land.sample("climate", years=range(1950, 1991))[["tas"]]
        how = dict(climatology=(1951, 1980))
        fc = climate.seasonal.forecast("DJF", members=5, years=[1990], **how)
        fc.seasonal.plot()""",
    "emulator": 'xai4land.load_emulator("sample-landcover")',
    "explanation": "world.ai4land.explain()",
    "progress": 'world.ai4land.write("map.zarr")',
    "plugins": "xai4land.plugins()",
    "completion": """
        from IPython.core.completer import provisionalcompleter
        for text in ("world.ai4land.plot_ch", "climate.seasonal.fore", "world.land_cover.ai4land."):
            with provisionalcompleter():
                print(*(c.text for c in get_ipython().Completer.completions(text, len(text))))""",
    "help": "help(world.ai4land.plot_change)",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """What each cell leaves in the saved notebook."""
    folder = tmp_path_factory.mktemp("notebook")
    lines = (source.strip("\n").split("\n") for source in CELLS.values())
    sources = ["\n".join(line.removeprefix(" " * 8) for line in cell) for cell in lines]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    env = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    client = NotebookClient(book, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute(env=env)
    return dict(zip(CELLS, (cell.outputs for cell in book.cells), strict=True))


def kinds(outputs):
    return [kind for output in outputs for kind in output.get("data", {})]


@pytest.mark.parametrize("cell", ["map", "with pyplot", "inline", "season"])
def test_a_figure_is_shown_once(outputs, cell):
    assert kinds(outputs[cell]).count("image/png") == 1


def test_a_figure_that_is_saved_is_not_shown(outputs):
    assert "image/png" not in kinds(outputs["saved"])


@pytest.mark.parametrize("cell", ["emulator", "explanation"])
def test_cards_and_explanations_are_tables(outputs, cell):
    [shown] = [o.data for o in outputs[cell] if "data" in o]
    assert shown["text/html"].startswith("<table>")
    assert shown["text/plain"].startswith("<E")


def test_plugins_are_a_table(outputs):
    [shown] = [o.data for o in outputs["plugins"] if "data" in o]
    assert "<table" in shown["text/html"]


def test_accessors_are_completed(outputs):
    shown = "".join(o.text for o in outputs["completion"] if o.get("name") == "stdout")
    land, seasons, array = shown.splitlines()
    assert land == "plot_change"
    assert seasons == "forecast"
    assert "evaluate" in array
    assert "reconstruct" not in array  # which takes a dataset


def test_help_shows_the_signature(outputs):
    text = "".join(o.get("text", "") for o in outputs["help"])
    assert "plot_change(truth: 'xr.Dataset | xr.DataArray'" in text


def test_progress_is_text_without_widgets(outputs):
    told = json.dumps(outputs["progress"])
    assert "ipywidgets" not in told
    assert "100%" in told
    assert "write map" in told
