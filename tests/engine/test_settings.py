"""Settings come as a class, a dictionary or a file, and single ones as keywords."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import Field

from xai4land import InputError
from xai4land.settings import resolve_settings


@dataclass(frozen=True)
class Settings:
    epochs: Annotated[int, Field(gt=0)] = 20
    rate: Annotated[float, Field(gt=0)] = 1e-3
    seed: int = 0


@pytest.fixture(params=["class", "dictionary", "json", "toml", "yaml", "path in words"])
def given(request, tmp_path):
    if request.param == "class":
        return Settings(epochs=5)
    if request.param == "dictionary":
        return {"epochs": 5}
    texts = {"toml": "epochs = 5", "yaml": "epochs: 5"}
    path = tmp_path / f"mine.{request.param if request.param in texts else 'json'}"
    path.write_text(texts.get(request.param, json.dumps({"epochs": 5})))
    return str(path) if request.param == "path in words" else path


def test_every_form_gives_the_same_settings(given):
    assert resolve_settings(Settings, given) == Settings(epochs=5)


def test_keywords_override(given):
    assert resolve_settings(Settings, given, {"epochs": 7, "seed": 3}) == Settings(7, seed=3)


def test_without_settings_there_are_the_defaults():
    assert resolve_settings(Settings) == Settings()


def test_all_problems_are_listed_at_once():
    with pytest.raises(InputError) as caught:
        resolve_settings(Settings, {"epochs": 0, "sed": 1}, {"rate": "fast", "regoin": "europe"},
                         parameters=["region"])  # fmt: skip
    assert caught.value.problems == (
        "no setting 'sed' (is it 'seed'?); there are epochs, rate, seed",
        "no setting 'regoin' (is it 'region'?); there are epochs, rate, seed",
        "epochs=0, expected greater than 0",
        "rate='fast', expected a valid number, unable to parse string as a number",
    )


def test_an_instance_is_checked_too():
    with pytest.raises(InputError, match="epochs=-1, expected greater than 0"):
        resolve_settings(Settings, Settings(epochs=-1))


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("mine.ini", "epochs: 5", "ends in .json, .toml or .yaml"),
        ("mine.json", "{epochs", "cannot be read: Expecting property name"),
        ("mine.json", "[1, 2]", "holds list, expected names and values"),
        ("mine.toml", "epochs", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=match):
        resolve_settings(Settings, tmp_path / name)


def test_a_missing_file_and_other_things_are_refused(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        resolve_settings(Settings, tmp_path / "none.json")
    with pytest.raises(InputError, match=r"settings=5, expected Settings\(...\), a dictionary"):
        resolve_settings(Settings, 5)  # type: ignore[arg-type]
