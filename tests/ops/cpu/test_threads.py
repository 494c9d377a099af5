"""Kernels from several threads, after a fork, in workers: the right result, and no dead process."""

import ctypes
import os
import signal
import subprocess
import sys
import textwrap
import threading

import pytest
import torch

from regard.ops import modulate, squeeze
from regard.ops.cpu import threads
from regard.ops.cpu.kernels.multiplying import multiply
from regard.ops.cpu.kernels.reducing import across

PRELUDE = """
import os, sys, torch, regard
from regard.ops import squeeze, using
torch.set_num_threads(2)
x = torch.randn(4, 64, 40, 40)
wanted = x.double().mean((2, 3), keepdim=True).float()
def right():
    with using("cpu"):
        (mean,) = squeeze(x, "space")
    return torch.allclose(mean, wanted, atol=1e-6)
assert right()
"""


def alone(code):
    """Run code in a process of its own, which must end by itself."""
    source = textwrap.dedent(PRELUDE) + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def arguments(*tensors_and_sizes):
    words = [t.data_ptr() if isinstance(t, torch.Tensor) else t for t in tensors_and_sizes]
    return (ctypes.c_int64 * 24)(*words)


@pytest.mark.parametrize("count", [2, 5, 7, 64])
@pytest.mark.parametrize("way", ["openmp", "pool"])
def test_every_task_is_done_once_however_they_are_split(way, count):
    parallel = threads.openmp() if way == "openmp" else threads.in_pool
    if parallel is None:
        pytest.skip("PyTorch does not compute with libgomp here")
    x, y, gate = torch.randn(64, 11), torch.zeros(64, 11), torch.rand(64)
    packed = arguments(x, y, gate, 0, 64, 11)
    parallel(multiply[True, False, False].entry(), packed, 64, count)
    assert torch.equal(y, x * gate[:, None])


def test_little_work_stays_on_the_callers_thread(monkeypatch, three_threads):
    def refuse(*_):
        raise AssertionError("a second thread")

    monkeypatch.setattr(threads, "openmp", lambda: refuse)
    calls = []
    threads.run(lambda *split: calls.append(split), None, 10, threads.LEAST_WORK - 1)
    assert calls == [(None, 0, 10)]
    with pytest.raises(AssertionError, match="a second thread"):
        threads.run(lambda *_: None, None, 10, threads.LEAST_WORK)


def test_without_openmp_the_pool_does_the_same(monkeypatch, three_threads, drawn, with_kernels):
    x = drawn((4, 64, 40, 40))
    wanted = squeeze(x, "space", ("mean", "max"))
    monkeypatch.setattr(threads, "openmp", lambda: None)
    assert all(map(torch.equal, squeeze(x, "space", ("mean", "max")), wanted))


@pytest.mark.parametrize("way", ["openmp", "pool"])
def test_eight_threads_at_once(way, monkeypatch, three_threads, drawn, with_kernels):
    if way == "pool":
        monkeypatch.setattr(threads, "openmp", lambda: None)
    maps = [drawn((4, 32, 40, 40), seed) for seed in range(8)]
    wanted = [modulate(x, *squeeze(x, "space")) for x in maps]
    found = [[] for _ in maps]

    def work(i):
        for _ in range(20):
            found[i].append(modulate(maps[i], *squeeze(maps[i], "space")))

    workers = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert not worker.is_alive()
    for got, expected in zip(found, wanted, strict=True):
        assert len(got) == 20
        assert all(torch.equal(one, expected) for one in got)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_forked_child_computes_on_its_own_thread_and_ends():
    ended = alone(
        """
        child = os.fork()
        if child == 0:
            os._exit(0 if right() and right() else 3)
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0, status
        assert right()
        print("well")
        """
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "well"), ended.stderr


def test_in_workers_of_a_dataloader():
    ended = alone(
        """
        class Squeezed(torch.utils.data.Dataset):
            def __len__(self):
                return 6
            def __getitem__(self, index):
                return right()
        for context in ("fork", "spawn") if sys.platform == "linux" else ("spawn",):
            loader = torch.utils.data.DataLoader(
                Squeezed(), num_workers=2 if context == "fork" else 0, multiprocessing_context=
                context if context == "fork" else None,
            )
            assert all(bool(batch) for batch in loader)
        print("well")
        """
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "well"), ended.stderr


def test_ctrl_c_while_kernels_run_ends_the_process():
    source = textwrap.dedent(PRELUDE) + "print('ready', flush=True)\nwhile True: right()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", source], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline().strip() == "ready"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert "KeyboardInterrupt" in said


def test_under_distributed_data_parallel(tmp_path):
    """One process of a group of one: gradients arrive through its hooks, once."""
    ended = alone(
        f"""
        import torch.distributed as dist
        dist.init_process_group("gloo", init_method="file://{tmp_path}/group", rank=0, world_size=1)
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), regard.get("cbam", 16))
        data = torch.randn(2, 3, 30, 30)
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        found = []
        for name, call in (("torch", model), ("cpu", wrapped)):
            model.zero_grad()
            with using(name):
                call(data).square().sum().backward()
            found.append([p.grad.clone() for p in model.parameters()])
        for plain, ours in zip(*found, strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-3, atol=1e-3)
        dist.destroy_process_group()
        print("well")
        """
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "well"), ended.stderr


def test_kernels_run_without_the_gil(with_kernels):
    """Another thread goes on while a kernel works."""
    x = torch.randn(1, 4096, 4096)
    mean = torch.empty(1, 4096)
    entry, packed = across[False, False, False].entry(), arguments(x, 0, mean, 0, 0, 0, 4096, 4096)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(1)

    other = threading.Thread(target=tick)
    other.start()
    before = len(ticks)
    for _ in range(3):
        entry(packed, 0, 4096)
    after = len(ticks)
    stop.set()
    other.join()
    assert after > before + 100
