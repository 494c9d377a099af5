import errno
import os
from pathlib import Path

import pytest
import torch

from regard.errors import RegardError
from regard.training import Budget
from regard.training.budget import make_optimizer
from regard.training.checkpoint import NAME, forget, keep, resume, write_whole

EPOCHS = [{"epoch": 1, "loss": 0.1 + 0.2, "train_accuracy": 0.5, "accuracy": 1 / 3}]


def trained(net):
    """A network and its optimizer after two steps."""
    optimizer = make_optimizer(net, Budget(slow={"7.": 0.5}))
    for step in range(2):
        optimizer.zero_grad()
        net(torch.full((4, 1, 8, 8), 0.1 * step)).square().sum().backward()
        optimizer.step()
    return net, optimizer


def state_of(net, optimizer):
    moments = {
        f"{i}/{k}": v for i, s in optimizer.state_dict()["state"].items() for k, v in s.items()
    }
    return {**net.state_dict(), **moments}


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path, make_net):
    net, optimizer = trained(make_net())
    keep(tmp_path, net, optimizer, EPOCHS)
    other = make_net(seed=1)
    other_optimizer = make_optimizer(other, Budget(slow={"7.": 0.5}))
    assert resume(tmp_path, other, other_optimizer) == EPOCHS
    before, after = state_of(net, optimizer), state_of(other, other_optimizer)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert [g["factor"] for g in other_optimizer.param_groups] == [1.0, 1.0, 0.5, 0.5]


def test_moments_lie_in_memory_as_their_parameters_do(tmp_path, make_net):
    net, optimizer = trained(make_net().to(memory_format=torch.channels_last))
    keep(tmp_path, net, optimizer, EPOCHS)
    other = make_net(seed=1).to(memory_format=torch.channels_last)
    other_optimizer = make_optimizer(other, Budget(slow={"7.": 0.5}))
    resume(tmp_path, other, other_optimizer)
    for parameter, state in other_optimizer.state.items():
        assert state["exp_avg"].stride() == parameter.stride()
        assert state["exp_avg_sq"].stride() == parameter.stride()
    assert any(not p.is_contiguous() for p in other.parameters())


def test_without_a_checkpoint_nothing_is_done(tmp_path, make_net):
    net, optimizer = trained(make_net())
    assert resume(tmp_path, net, optimizer) == []


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_cut_checkpoint_is_named_with_what_to_do(tmp_path, make_net, length):
    net, optimizer = trained(make_net())
    keep(tmp_path, net, optimizer, EPOCHS)
    path = tmp_path / NAME
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(RegardError) as error:
        resume(tmp_path, make_net(), optimizer)
    assert str(path) in str(error.value)
    assert "remove it to start again" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_the_checkpoint_of_another_network_is_refused(tmp_path, make_net):
    keep(tmp_path, *trained(make_net()), EPOCHS)
    other = make_net(channels=3)
    with pytest.raises(RegardError, match="damaged"):
        resume(tmp_path, other, make_optimizer(other, Budget()))


def test_forgetting_removes_what_a_killed_writer_left(tmp_path, make_net):
    keep(tmp_path, *trained(make_net()), EPOCHS)
    (tmp_path / f".{NAME}.0badc0de").write_bytes(b"half")
    (tmp_path / "result.json").write_text("{}")
    forget(tmp_path)
    forget(tmp_path)
    assert os.listdir(tmp_path) == ["result.json"]


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "x.json"
    write_whole(path, b"one")
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["x.json"]


@pytest.mark.parametrize(
    ("number", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "a folder that you may write into")],
)
def test_what_was_there_stays_when_the_disk_refuses(tmp_path, monkeypatch, number, remedy):
    path = tmp_path / "x.json"
    write_whole(path, b"one")

    def refuse(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(RegardError) as error:
        write_whole(path, b"two")
    monkeypatch.undo()
    assert str(path) in str(error.value)
    assert os.strerror(number) in str(error.value)
    assert remedy in str(error.value)
    assert path.read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["x.json"]


def test_a_disk_that_refuses_even_to_clean_up_is_one_clear_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(RegardError, match="Read-only file system"):
        write_whole(tmp_path / "x.json", b"one")


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "x.json", b"one")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(RegardError, match=r"nowhere/x\.json cannot be written: No such file"):
        write_whole(tmp_path / "nowhere" / "x.json", b"one")
