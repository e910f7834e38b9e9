"""The bounded cache that blocks share."""

from __future__ import annotations

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from xai4land.windows.cache import ResultCache


def test_threads_that_ask_for_one_result_compute_it_once():
    computed = []
    start = threading.Barrier(8)

    def compute_slowly():
        computed.append(1)
        time.sleep(0.05)
        return "it"

    cache = ResultCache()

    def request(_):
        start.wait()
        return cache.get("key", compute_slowly, "others")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(request, range(8))) == ["it"] * 8
    assert len(computed) == 1


def test_results_that_do_not_fit_are_computed_again():
    cache = ResultCache(others=3 * 800)
    computed = []

    def get(k):
        def make():
            computed.append(k)
            return np.full(100, float(k))

        return cache.get(k, make, "others")

    for k in (0, 1, 2, 0, 3, 0, 1):
        assert get(k)[0] == k
    # 1 was the least recently used when 3 came; 0 was used in between.
    assert computed == [0, 1, 2, 3, 1]


def test_windows_and_inputs_do_not_evict_each_other():
    cache = ResultCache(windows=3 * 800, others=800)
    for k in range(3):
        future, _ = cache.reserve(("window", k), uses=2)
        cache.set_result(("window", k), future, np.ones(100))
    for k in range(5):
        cache.get(k, lambda: np.ones(100), "others")
    assert not any(cache.reserve(("window", k), uses=2)[1] for k in range(3))
    computed = []
    cache.get(4, lambda: computed.append(4), "others")
    cache.get(3, lambda: computed.append(3), "others")
    assert computed == [3]


def test_the_last_use_evicts():
    cache = ResultCache()
    future, reserved = cache.reserve("window", uses=2)
    assert reserved
    cache.set_result("window", future, np.ones(10))
    again, reserved = cache.reserve("window", uses=2)
    assert not reserved
    assert again.result().sum() == 10
    assert cache.reserve("window", uses=2)[1], "after its last use it is computed again"


def test_a_failure_reaches_all_waiting_threads_and_is_tried_again():
    cache = ResultCache()
    with pytest.raises(OSError, match="gone"):
        cache.get("key", lambda: (_ for _ in ()).throw(OSError("gone")), "others")
    assert cache.get("key", lambda: 1, "others") == 1
    future, _ = cache.reserve("other")
    waiting, reserved = cache.reserve("other")
    cache.set_exception("other", future, OSError("gone"))
    assert not reserved
    with pytest.raises(OSError, match="gone"):
        waiting.result()


def test_a_copy_starts_empty():
    cache = ResultCache(5, 6, 7)
    cache.get("key", lambda: 1, "others")
    copy = pickle.loads(pickle.dumps(cache))  # noqa: S301
    assert copy.limits == {"windows": 5, "screening": 6, "others": 7}
    assert copy.get("key", lambda: 2, "others") == 2
