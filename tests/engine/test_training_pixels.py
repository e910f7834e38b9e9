"""Pixels of many windows, mixed for networks that see each alone."""

from __future__ import annotations

import numpy as np
import torch

from xai4land.heads.base import TrainingWindow
from xai4land.training.pixels import count_mixed, mix_pixels
from xai4land.training.samples import Corner, Sample
from xai4land.windows.cells import Cells
from xai4land.windows.features import Features

SIZE = 4


def make_window(number: int, known: int) -> tuple[Corner, Sample]:
    """Make a window whose values all say its number and the number of the pixel."""
    values = (1000 * number + torch.arange(SIZE**2.0)).reshape(1, SIZE, SIZE)
    truth = values.clone()
    truth.view(-1)[known:] = torch.nan
    cells = Cells(torch.zeros(0), torch.zeros(0), torch.zeros(0))
    features = Features(values.repeat(3, 1, 1), values.long(), values.clone())
    return Corner(0, number, 0), Sample(features, TrainingWindow(cells, truth, values[0]))


def mix(batches, together=2, parts=1, seed=(0,)):
    return list(mix_pixels(batches, together, parts, float("nan"), seed))


def test_each_known_pixel_comes_once_and_with_all_that_belongs_to_it():
    batches = [[make_window(2 * k, 5), make_window(2 * k + 1, 16)] for k in range(4)]
    made = mix(batches)
    assert len(made) == 4
    seen = []
    for ((_, sample),) in made:
        truth = sample.window.truth
        assert truth.shape == (1, 1, truth.shape[-1])
        seen += truth.flatten().tolist()
        torch.testing.assert_close(sample.features.continuous, truth.repeat(3, 1, 1))
        torch.testing.assert_close(sample.features.codes, truth.long())
        torch.testing.assert_close(sample.features.guess, truth)
        torch.testing.assert_close(sample.window.area, truth[0])
    expected = [1000 * w + p for w in range(8) for p in range(5 if w % 2 == 0 else 16)]
    assert sorted(seen) == expected
    sizes = [sample.window.area.numel() for ((_, sample),) in made]
    assert max(sizes) - min(sizes) <= 1


def test_a_batch_has_pixels_of_all_that_it_is_mixed_from():
    made = mix([[make_window(k, 16)] for k in range(4)], together=4)
    for ((_, sample),) in made:
        assert len(np.unique(sample.window.truth.numpy() // 1000)) >= 3


def test_a_training_that_goes_on_has_the_same_batches():
    batches = [[make_window(k, 9)] for k in range(6)]
    whole, rest = mix(batches), mix([[], [], *batches[2:]])
    assert rest[0] == rest[1] == []
    for ((_, one),), ((_, other),) in zip(whole[2:], rest[2:], strict=True):
        torch.testing.assert_close(one.window.truth, other.window.truth)


def test_parts_of_a_batch_are_windows_of_their_own():
    (windows,) = mix([[make_window(0, 16)]], parts=3)
    assert [sample.window.area.numel() for _, sample in windows] == [6, 5, 5]


def test_few_batches_are_mixed_where_they_are_large():
    assert count_mixed(2**40) == 1
