import threading

import pytest
import torch

import regard
from regard.ops import Step, gate, overwriting, using
from regard.ops.handover import may_overwrite


def a_map(last=False):
    x = torch.randn(2, 16, 20, 20)
    return x.contiguous(memory_format=torch.channels_last) if last else x


HALF = Step("space", ("mean",), lambda mean: torch.full_like(mean, 0.5))


@pytest.mark.parametrize("last", [False, True], ids=["first", "last"])
@pytest.mark.parametrize("name", ["torch", "cpu"])
@pytest.mark.parametrize("mechanism", ["se", "eca", "cbam", "cbam_channel", "cbam_spatial"])
def test_a_map_that_was_given_away_is_written_over_with_the_same_numbers(mechanism, name, last):
    module, x = regard.get(mechanism, 16).eval(), a_map(last)
    with torch.no_grad(), using(name):
        wanted = module(x)
        assert wanted.data_ptr() != x.data_ptr()
        with overwriting(x):
            got = module(x)
    assert got.data_ptr() == x.data_ptr()
    assert got.stride() == x.stride()
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("name", ["torch", "cpu"])
def test_what_is_still_needed_is_not_written_over(name):
    x = a_map()
    before = x.clone()
    with torch.no_grad(), using(name):
        with overwriting(x):
            gate(x, HALF)
            gate(x * 1, HALF, spent=True)
            gate(x[:1], HALF, spent=True)
        gate(x, HALF, spent=True)
        regard.get("se", 16)(x)
    with using(name), overwriting(x):
        gate(x, HALF, spent=True)
    assert torch.equal(x, before)


def test_it_is_allowed_on_this_thread_only_and_for_the_block_only():
    x, seen = a_map(), []
    with torch.no_grad(), overwriting(x):
        assert may_overwrite(x)
        assert may_overwrite(x.movedim(1, 1))
        assert not may_overwrite(x[1:])
        other = threading.Thread(target=lambda: seen.append(may_overwrite(x)))
        other.start()
        other.join()
        with overwriting(torch.zeros(3)):
            assert not may_overwrite(x)
        assert may_overwrite(x)
        with torch.enable_grad():
            assert not may_overwrite(x)
    assert seen == [False]
    with torch.no_grad():
        assert not may_overwrite(x)
        assert not may_overwrite(torch.zeros(0))


def test_a_copy_is_made_of_strides_that_no_kernel_takes():
    x = a_map().transpose(2, 3)
    before = x.clone()
    with torch.no_grad(), using("cpu"), overwriting(x):
        got = gate(x, HALF, spent=True)
    assert torch.equal(got, before / 2)
