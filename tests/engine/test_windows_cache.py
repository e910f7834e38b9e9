"""The bounded memory that blocks share."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from xai4land.windows.cache import ResultCache


def test_threads_that_ask_for_one_thing_make_it_once():
    made = []
    start = threading.Barrier(8)

    def slow():
        made.append(1)
        time.sleep(0.05)
        return "it"

    shared = ResultCache()

    def ask(_):
        start.wait()
        return shared.get("key", slow, "others")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["it"] * 8
    assert len(made) == 1


def test_what_does_not_fit_is_made_again():
    shared = ResultCache(others=3 * 800)
    made = []

    def get(k):
        def make():
            made.append(k)
            return np.full(100, float(k))

        return shared.get(k, make, "others")

    for k in (0, 1, 2, 0, 3, 0, 1):
        assert get(k)[0] == k
    # 1 was the longest unused when 3 came; 0 was used in between.
    assert made == [0, 1, 2, 3, 1]


def test_windows_and_inputs_do_not_drive_each_other_out():
    shared = ResultCache(windows=3 * 800, others=800)
    for k in range(3):
        future, _ = shared.reserve(("window", k), uses=2)
        shared.set_result(("window", k), future, np.ones(100))
    for k in range(5):
        shared.get(k, lambda: np.ones(100), "others")
    assert not any(shared.reserve(("window", k), uses=2)[1] for k in range(3))
    made = []
    shared.get(4, lambda: made.append(4), "others")
    shared.get(3, lambda: made.append(3), "others")
    assert made == [3]


def test_the_last_use_lets_go():
    shared = ResultCache()
    future, mine = shared.reserve("window", uses=2)
    assert mine
    shared.set_result("window", future, np.ones(10))
    again, mine = shared.reserve("window", uses=2)
    assert not mine
    assert again.result().sum() == 10
    assert shared.reserve("window", uses=2)[1], "after its last use it is made anew"


def test_a_failure_reaches_all_who_wait_and_is_tried_again():
    shared = ResultCache()
    with pytest.raises(OSError, match="gone"):
        shared.get("key", lambda: (_ for _ in ()).throw(OSError("gone")), "others")
    assert shared.get("key", lambda: 1, "others") == 1
    future, _ = shared.reserve("other")
    waiting, mine = shared.reserve("other")
    shared.set_exception("other", future, OSError("gone"))
    assert not mine
    with pytest.raises(OSError, match="gone"):
        waiting.result()


def test_a_copy_starts_empty():
    shared = ResultCache(5, 6, 7)
    shared.get("key", lambda: 1, "others")
    copy = pickle.loads(pickle.dumps(shared))  # noqa: S301
    assert copy.limits == {"windows": 5, "screening": 6, "others": 7}
    assert copy.get("key", lambda: 2, "others") == 2
