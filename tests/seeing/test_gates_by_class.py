import pytest
import torch
from torch import nn

from regard import RegardError, get, plug
from regard.networks import SmallResNet
from regard.seeing import class_gates


def test_means_are_those_of_each_class_by_hand():
    torch.manual_seed(0)
    gate, x = get("se", 8, start="paper"), torch.randn(7, 8, 4, 4)
    labels = torch.tensor([0, 1, 1, 0, 2, 2, 0])
    found = class_gates(nn.Sequential(gate), x, labels, ["a", "b", "c", "none"], batch=3)
    applied = (gate(x) / x)[:, :, 0, 0].detach()
    (means,) = found.means.values()
    for k in range(3):
        torch.testing.assert_close(means[k], applied[labels == k].mean(0))
    assert means[3].isnan().all()
    assert "site" in found.table()


def test_sites_come_by_depth_and_each_has_a_chart():
    torch.manual_seed(0)
    model, x = SmallResNet(2, 1), torch.randn(4, 1, 16, 16)
    plug(model, "eca", "layer*.0.bn2", example=x, start="paper")
    found = class_gates(model, x, [0, 1, 0, 1])
    assert [name.split(".")[0] for name in found.means] == ["layer1", "layer2", "layer3"]
    assert len(found.figure()) == 3
    assert all(value >= 0 for value in found.spread().values())


def test_without_gates_or_labels_it_says_so():
    with pytest.raises(RegardError, match="no channel gates"):
        class_gates(nn.Conv2d(1, 1, 1), torch.randn(2, 1, 4, 4), [0, 1])
    with pytest.raises(RegardError, match="2 images and 1 labels"):
        class_gates(nn.Conv2d(1, 1, 1), torch.randn(2, 1, 4, 4), [0])
