"""Windows through the network: devices, precision, threads, memory that runs out."""

from __future__ import annotations

import copy
import os
import platform
import subprocess
import sys
import threading
import time
import weakref
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from conftest import random_emulator, small_card
from xai4land import device as devices
from xai4land.device import bfloat16_pays, choose_precision, device_slot, upload
from xai4land.emulator.build import build, fold
from xai4land.errors import InputError
from xai4land.inference.forward import Forward, run_in_threads
from xai4land.networks.unet import UNet
from xai4land.windows.features import Features
from xai4land_land import reconstruct

ACCELERATOR = SimpleNamespace(type="cuda")
"""Looks like a GPU to what only asks for the kind of a device."""


def windows(count: int, size: int = 24) -> list[Features]:
    rng = torch.Generator().manual_seed(0)
    codes = torch.zeros(1, size, size, dtype=torch.long)
    guess = torch.zeros(3, size, size)
    return [
        Features(torch.randn(small_card().channels, size, size, generator=rng), codes, guess)
        for _ in range(count)
    ]


def get_features(window: Features) -> Features:
    return window


@pytest.fixture
def set_threads():
    """Sets torch's threads, until the test is over."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


class Limited(torch.nn.Module):
    """A network on a device that holds a few windows at once."""

    def __init__(self, network, limit):
        super().__init__()
        self.network, self.limit, self.batches = network, limit, []

    def forward(self, x, codes):
        self.batches.append(len(x))
        if len(x) > self.limit:
            raise torch.OutOfMemoryError("out of memory")
        return self.network(x, codes)


@torch.inference_mode()
def test_out_of_memory_makes_batches_smaller_and_changes_nothing(emulator):
    network = emulator.network()
    limited = Limited(network, limit=3)
    forward = Forward(limited, ACCELERATOR, torch.float32, 8)
    found = forward(windows(11), get_features)
    assert limited.batches[:3] == [8, 4, 2]
    assert set(limited.batches[2:]) == {2}, "every batch has one shape, and the smaller one stays"
    for window, logits in zip(windows(11), found, strict=True):
        alone = network(window.continuous[None], window.codes[None])[0]
        np.testing.assert_allclose(logits, alone, atol=1e-5)
    with pytest.raises(torch.OutOfMemoryError):
        Forward(Limited(network, limit=0), ACCELERATOR, torch.float32, 8)(windows(2), get_features)


@torch.inference_mode()
@pytest.mark.parametrize(
    "words",
    [
        "MPS backend out of memory (MPS allocated: 17 GB)",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
    ],
)
def test_out_of_memory_is_recognised_in_many_messages_and_the_batch_is_freed(emulator, words):
    references, alive = [], []

    def features(window):
        alive.append(sum(one() is not None for one in references))
        copy = Features(*(part.clone() for part in window))
        references.append(weakref.ref(copy.continuous))
        return copy

    def network(x, codes):
        if len(x) > 2:
            raise RuntimeError(words)
        return emulator.network()(x, codes)

    forward = Forward(network, torch.device("cpu"), torch.float32, 4)
    assert len(forward(windows(4), features)) == 4
    assert forward.batch_size == 2
    assert alive[4] == 0, "the second try has the memory of the first"


@torch.inference_mode()
def test_other_failures_of_a_device_are_not_taken_for_lack_of_memory():
    def network(x, codes):
        raise RuntimeError("expected all tensors to be on the same device")

    with pytest.raises(RuntimeError, match="same device"):
        Forward(network, torch.device("cpu"), torch.float32, 4)(windows(4), get_features)


@torch.inference_mode()
def test_the_last_batch_is_padded_on_an_accelerator(emulator):
    limited = Limited(emulator.network(), limit=99)
    assert len(Forward(limited, ACCELERATOR, torch.float32, 4)(windows(6), get_features)) == 6
    assert limited.batches == [4, 4]


def test_copies_to_cuda_are_pinned_and_do_not_wait(monkeypatch):
    calls = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: calls.append("pinned") or x)

    def record(x, *args, **kwargs):
        calls.append((args, kwargs))
        return x

    monkeypatch.setattr(torch.Tensor, "to", record)
    upload(torch.zeros(3), ACCELERATOR)
    assert calls == ["pinned", ((ACCELERATOR,), {"non_blocking": True})]


def test_copies_elsewhere_wait_since_their_source_may_be_gone(monkeypatch):
    calls = []

    def record(x, *args, **kwargs):
        calls.append((args, kwargs))
        return x

    monkeypatch.setattr(torch.Tensor, "to", record)
    apple = SimpleNamespace(type="mps")
    upload(torch.zeros(3), apple)
    assert calls == [((apple,), {})]


def test_blocks_reuse_the_streams_of_two_slots(monkeypatch):
    devices_used, streams = [], []
    monkeypatch.setattr(
        torch.cuda, "Stream", lambda device: devices_used.append(device) or object()
    )
    monkeypatch.setattr(
        torch.cuda, "stream", lambda stream: streams.append(stream) or nullcontext()
    )
    for _ in range(6):
        with device_slot(torch.device("cuda:7")):
            pass
    assert devices_used == ["cuda:7"] * 2
    assert len(streams) == 6
    assert len(set(map(id, streams))) == 2


def test_gpus_that_only_emulate_bfloat16_compute_in_float32(monkeypatch):
    """Each of several GPUs is checked itself."""
    gpus = {"cuda:0": (7, 5), "cuda:1": (8, 0)}
    monkeypatch.setattr(torch.cuda, "get_device_capability", gpus.__getitem__)
    monkeypatch.setattr(torch.version, "hip", None)
    bfloat16_pays.cache_clear()
    try:
        found = [choose_precision("auto", device) for device in gpus]
    finally:
        bfloat16_pays.cache_clear()
    assert found == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize("device", ["hpu", "cuda:99", "gpu", None, b"cpu", 3.5])
def test_devices_that_are_not_available_are_refused(world, emulator, device):
    with pytest.raises(InputError, match="cannot be used here"):
        reconstruct(world, emulator, device=device)


def test_a_device_may_be_a_torch_device(world, emulator):
    made = reconstruct(world.isel(time=[0]), emulator, device=torch.device("cpu"))
    assert made.land_cover.dtype == np.uint8


@pytest.mark.parametrize("precision", [["float32"], None, "float16"])
def test_unknown_precisions_are_refused(world, emulator, precision):
    with pytest.raises(InputError, match="expected 'auto', 'float32' or 'bfloat16'"):
        reconstruct(world, emulator, precision=precision)


def test_two_blocks_at_once_on_an_accelerator():
    inside, counts = [], []

    def block():
        with device_slot(torch.device("mps")):
            inside.append(1)
            counts.append(len(inside))
            time.sleep(0.02)
            inside.pop()

    threads = [threading.Thread(target=block) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(counts) == devices.MIN_CONCURRENT_BLOCKS == 2


def test_a_block_that_needs_another_block_waits_for_no_second_slot():
    """Else a map made from a lazy map stands still once such blocks have all slots."""
    device = torch.device("mps")
    together = threading.Barrier(devices.MIN_CONCURRENT_BLOCKS)
    done = []

    def block():
        with device_slot(device):
            together.wait(10)
            with device_slot(device):
                done.append(1)

    threads = [threading.Thread(target=block, daemon=True) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(done) == together.parties


def test_jobs_run_in_one_thread_each_and_torch_keeps_its_setting(set_threads):
    set_threads(3)
    cpu = torch.device("cpu")
    names = run_in_threads(cpu, lambda _: time.sleep(0.05) or threading.get_ident(), range(3))
    assert len(set(names)) == 3
    assert run_in_threads(cpu, lambda _: torch.get_num_threads(), range(5)) == [1] * 5
    assert torch.get_num_threads() == 3
    new = []
    thread = threading.Thread(target=lambda: new.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert new == [3], "threads of others are not touched"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_number_of_threads_does_not_matter(world, emulator, precision, set_threads):
    found = []
    for threads in (1, 3):
        set_threads(threads)
        made = reconstruct(world, emulator, precision=precision, probabilities=True)
        found.append(made.compute(num_workers=threads))
    np.testing.assert_allclose(*(f.land_cover_probability for f in found), atol=1e-5)
    np.testing.assert_array_equal(*(f.land_cover for f in found))


def test_bfloat16_changes_few_classes(planet):
    """On a trained emulator; a random one is undecided nearly everywhere."""
    states = planet.drop_vars("land_cover").isel(time=[0])
    found = [
        reconstruct(states, precision=precision).land_cover.compute()
        for precision in ("float32", "bfloat16")
    ]
    assert float((found[0] == found[1]).mean()) >= 0.998


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_worker_of_dask_keeps_memory_for_the_next_window():
    program = """if True:
        import resource, torch
        from xai4land.device import keep_memory

        def faults():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            for _ in range(20):
                torch.zeros(2**21)
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        before = faults()
        keep_memory()
        faults()
        print(before, faults())
    """
    found = []
    for setting in ("65536", "4000"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "MALLOC_TRIM_THRESHOLD_": setting},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append([int(number) for number in run.stdout.split()])
    (before, after), (asked, kept) = found
    assert after < 0.1 * before
    assert kept > 0.5 * asked, "what a user has set stays"


def test_precision_is_chosen_or_refused(monkeypatch):
    assert choose_precision("float32", "cpu") is torch.float32
    assert choose_precision("bfloat16", "cpu") is torch.bfloat16
    for faster, wanted in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(devices, "bfloat16_pays", lambda _, faster=faster: faster)
        assert choose_precision("auto", "cpu") is wanted
    with pytest.raises(InputError, match="precision='half', expected 'auto'"):
        choose_precision("half", "cpu")
    assert not bfloat16_pays("mps")


def test_one_network_a_process_device_and_precision():
    one, two = random_emulator(small_card(), seed=3), random_emulator(small_card(), seed=3)
    assert one.network("cpu") is two.network("cpu")
    assert one.network("cpu", torch.bfloat16) is not one.network("cpu")
    assert next(one.network("cpu", torch.bfloat16).parameters()).dtype is torch.bfloat16


def test_callers_that_came_first_are_served_first(set_threads):
    set_threads(2)
    cpu, order = torch.device("cpu"), []
    gate, end = threading.Event(), threading.Event()

    def wait(event: threading.Event) -> None:
        event.wait(10)

    try:
        callers = [
            # One of the two threads stays busy, the other one serves.
            threading.Thread(target=run_in_threads, args=(cpu, wait, [gate, end], 0)),
            *(
                threading.Thread(
                    target=run_in_threads, args=(cpu, order.append, [priority] * 3, priority)
                )
                for priority in (9, 5, 7)
            ),
        ]
        for caller in callers:
            caller.start()
            time.sleep(0.05)
        gate.set()
        for caller in callers[1:]:
            caller.join()
    finally:
        end.set()
    assert order == [5] * 3 + [7] * 3 + [9] * 3


def test_a_failure_cancels_the_rest_of_its_items(set_threads):
    set_threads(2)
    seen = []

    def job(item: int) -> None:
        seen.append(item)
        time.sleep(0.02)
        if item == 0:
            raise ValueError("item 0")

    with pytest.raises(ValueError, match="item 0"):
        run_in_threads(torch.device("cpu"), job, range(200))
    assert len(seen) < 20
    assert run_in_threads(torch.device("cpu"), lambda item: -item, range(3)) == [0, -1, -2]


@pytest.mark.parametrize("size", [32, 40, 22, 21])
@pytest.mark.parametrize("norm", ["group", "batch", None])
@torch.inference_mode()
def test_a_folded_network_gives_the_same_output(size, norm):
    """Also where a window cannot be halved twice, and nothing is exactly doubled."""
    network = UNet(3, [4], 2, [8, 16, 24], norm=norm).eval()
    torch.nn.init.normal_(network.head.weight)
    x, codes = torch.randn(2, 3, size, size), torch.randint(4, (2, 1, size, size))
    plain = network(x, codes)
    folded = fold(copy.deepcopy(network))
    assert folded.state_dict().keys() <= network.state_dict().keys()
    np.testing.assert_allclose(folded(x, codes), plain, atol=1e-5 * float(plain.abs().max()))


@torch.inference_mode()
def test_only_processors_get_more_weights_than_the_network_has():
    network = build(small_card()).eval()
    on_device = fold(copy.deepcopy(network).to("meta"))
    assert not list(on_device.buffers())
    assert list(fold(network).buffers())


@torch.inference_mode()
def test_batch_normalisation_is_folded_into_convolutions():
    card = small_card(
        architecture={"name": "unet", "parameters": {"widths": [8, 16], "norm": "batch"}}
    )
    network = build(card)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.normal_(module.running_mean)
            torch.nn.init.uniform_(module.running_var, 0.5, 2.0)
            torch.nn.init.normal_(module.weight)
    torch.nn.init.normal_(network.head.weight)
    network.eval()
    x, codes = windows(1)[0].continuous[None], windows(1)[0].codes[None]
    plain = network(x, codes)
    folded = fold(network)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in folded.modules())
    np.testing.assert_allclose(folded(x, codes), plain, atol=1e-4 * float(plain.abs().max()))
