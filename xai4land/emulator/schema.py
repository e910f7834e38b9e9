"""What all parts of a card have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Name", "Schema"]

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Schema(BaseModel):
    """A part of a card: fixed, and nothing in it but what is expected."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
