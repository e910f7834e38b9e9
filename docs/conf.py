"""How Sphinx builds the site; ``make docs`` does it without a network."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

DOCS = Path(__file__).parent
os.environ["XAI4LAND_OFFLINE"] = "1"
os.environ.setdefault("XAI4LAND_CACHE", str(DOCS / "_build" / "cache"))
sys.path.insert(0, str(DOCS / "site"))

import gallery_pages  # noqa: E402

import xai4land  # noqa: E402
from xai4land_land.accessor import LandAccessor  # noqa: E402
from xai4land_seasonal.accessor import SeasonalAccessor  # noqa: E402

gallery_pages.share_samples()
# What torch warns its own callers of would be printed on the page of the ONNX file.
warnings.filterwarnings("ignore", category=FutureWarning)
warnings.filterwarnings("ignore", module="torch")

project = "xai4land"
author = "The xai4land developers"
project_copyright = author
release = version = xai4land.__version__
language = "en-GB"
REPOSITORY = "https://github.com/xai4land/xai4land"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "emulator_pages",
    "repository_links",
]
exclude_patterns = [
    "_build",
    "emulators/_*",
    "site",
    "gallery",
    "examples/**/*.ipynb",
    "examples/**/*.py",
]
templates_path = ["site/templates"]
nitpicky = False  # types in docstrings are prose, and lead to no page

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4

autosummary_generate = True
autosummary_context = {
    "accessors": {"xai4land_land": "ai4land", "xai4land_seasonal": "seasonal"},
    "methods": {
        "ai4land": [name for name in dir(LandAccessor) if not name.startswith("_")],
        "seasonal": [name for name in dir(SeasonalAccessor) if not name.startswith("_")],
    },
}
autodoc_typehints = "none"  # the signature has them, the docstring says what they mean
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # attributes that are properties, too, are described once

sphinx_gallery_conf = {
    "examples_dirs": "gallery",
    "gallery_dirs": "examples",
    "filename_pattern": r"plot_",
    "image_scrapers": ("gallery_pages.scrape", "matplotlib"),
    "ignore_repr_types": r"matplotlib|FacetGrid|xai4land\.figures",
    "within_subsection_order": "gallery_pages.ReadingOrder",
    "subsection_order": ["gallery/land", "gallery/seasons", "gallery/running"],
    "thumbnail_size": (480, 180),
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "remove_config_comments": True,
    "plot_gallery": os.environ.get("EXAMPLES") != "no",
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "xai4land"
html_favicon = "site/static/icon.svg"
html_context = {"default_mode": "auto"}
html_static_path = ["site/static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "github_url": REPOSITORY,
    "show_prev_next": False,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc", "sg_download_links"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
}
html_sidebars = {"index": []}
linkcheck_timeout = 20
