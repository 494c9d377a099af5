from dataclasses import replace

import pytest
import torch

from regard.bench.fields import field_of
from regard.errors import RegardError

ALL = ("exact", "plain", "ours", "copy")


def test_memory_format_type_and_dimensions(case, scope):
    last = field_of(replace(case, layout="last"), scope, ALL).contenders["ours"].inputs[0]
    assert last.is_contiguous(memory_format=torch.channels_last)
    half = field_of(case, replace(scope, dtype="bfloat16"), ALL).contenders["ours"]
    assert half.inputs[0].dtype is half.results()["output"].dtype is torch.bfloat16
    volume = replace(case, mechanism="cbam", shape=(1, 16, 2, 3, 4), layout="last")
    made = field_of(volume, replace(scope, mechanisms="cbam"), ALL).contenders["ours"]
    assert made.results()["output"].shape == (1, 16, 2, 3, 4)


def test_two_sources_get_two_inputs(case, scope):
    cross = replace(case, mechanism="cross", shape=(2, 5, 16), layout="tokens")
    made = field_of(cross, replace(scope, mechanisms="cross"), ALL).contenders["ours"]
    assert len(made.inputs) == 2
    assert "gradient of input 1" in made.results()


def test_a_host_that_returns_no_tensor_is_refused(case, scope, tmp_path):
    host = tmp_path / "host.py"
    host.write_text(
        "from torch import nn\n"
        "class Two(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 16, 1)\n"
        "        self.norm = nn.BatchNorm2d(16)\n"
        "    def forward(self, x):\n"
        "        return {'a': self.norm(self.conv(x))}\n"
        "def build(num_classes):\n"
        "    return Two()\n"
    )
    here = replace(case, part="networks", shape=(2, 3, 8, 8), host=f"{host}:build")
    with pytest.raises(RegardError):
        field_of(here, scope, ("plain",))


def test_no_gradient_is_zero_by_an_identity_start(case, scope):
    for name in ("cbam", "multihead"):
        tokens = name == "multihead"
        here = replace(
            case, mechanism=name, shape=(2, 5, 16) if tokens else case.shape,
            layout="tokens" if tokens else "first",
        )  # fmt: skip
        found = field_of(here, replace(scope, mechanisms=name), ALL).contenders["ours"].results()
        assert all(gradient.abs().max() > 0 for gradient in found.values())
