"""Whole networks of the papers: totals of the authors' code, by plugging into timm's ResNets."""

import pytest
import torch
from torch import nn

import regard

timm = pytest.importorskip("timm", reason="the hosts are timm's ResNets")

PLAIN = {
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
KERNELS = dict.fromkeys(PLAIN, (3, 3, 5, 7))
KERNELS |= {"resnet18": (3, 5, 7, 7), "resnet50": (3, 5, 5, 7)}
SIDES = (56, 28, 14, 7)


def host(name, **given):
    with torch.device("meta"):
        return timm.create_model(name, **given)


def branches(name, stages="*"):
    """The last normalisation of every residual branch, before the addition."""
    return f"layer{stages}.*.bn{2 if name in ('resnet18', 'resnet34') else 3}"


def stage(site):
    """0 to 3 for ``layer1`` to ``layer4``."""
    return int(site[len("layer")]) - 1


def released_eca(name):
    return lambda channels, site: regard.get("eca", channels, KERNELS[name][stage(site)])


def map_sized_ge_theta(channels, site):
    return regard.get("ge_theta", channels, SIDES[stage(site)])


def map_sized_fca(channels, site):
    return regard.get("fca", channels, size=SIDES[stage(site)])


def total(name, mechanism, at, count, **options):
    model = host(name)
    assert count(model) == PLAIN[name]
    regard.plug(model, mechanism, at, start="paper", **options)
    return count(model)


@pytest.mark.parametrize(
    ("mechanism", "totals"),
    [
        ("se", {"resnet18": 11_778_592, "resnet50": 28_088_024, "resnet101": 49_326_872}),
        (
            "cbam",
            {
                "resnet18": 11_779_392,
                "resnet34": 21_960_468,
                "resnet50": 28_089_624,
                "resnet101": 49_330_172,
            },
        ),
        (
            "triplet",
            {
                "resnet18": 11_691_912,
                "resnet34": 21_802_472,
                "resnet50": 25_561_832,
                "resnet101": 44_559_060,
            },
        ),
        ("srm", {"resnet50": 25_617_448, "resnet101": 44_679_208}),
        ("sa_net", {"resnet50": 25_557_740, "resnet152": 60_195_052}),
        ("simam", {"resnet50": 25_557_032}),
        ("ge", {"resnet50": 25_557_032}),
    ],
)
def test_a_gate_at_the_end_of_every_branch(mechanism, totals, count):
    found = {name: total(name, mechanism, branches(name), count) for name in totals}
    assert found == totals


@pytest.mark.parametrize(
    ("name", "due"),
    [
        ("resnet18", 11_689_556),
        ("resnet34", 21_797_744),
        ("resnet50", 25_557_112),
        ("resnet101", 44_549_317),
        ("resnet152", 60_193_042),
    ],
)
def test_eca_with_the_released_kernel_of_each_stage(name, due, count):
    assert total(name, released_eca(name), branches(name), count) == due


def test_eca_by_the_papers_rule_has_six_numbers_more(count):
    assert total("resnet50", "eca", branches("resnet50"), count) == 25_557_112 + 6


@pytest.mark.parametrize(
    ("name", "due"),
    [
        ("resnet18", 11_712_503),
        ("resnet34", 21_820_663),
        ("resnet50", 25_915_099),
        ("resnet101", 44_907_227),
    ],
)
def test_bam_between_the_stages(name, due, count):
    between = ["layer1", "layer2", "layer3"]
    example = torch.empty(1, 3, 32, 32, device="meta")
    assert total(name, "bam", between, count, example=example) == due


@pytest.mark.parametrize(
    ("name", "due"),
    [
        ("resnet34", 21_954_856),
        ("resnet50", 28_071_976),
        ("resnet101", 49_292_328),
        ("resnet152", 66_770_984),
    ],
)
def test_fcanet_whose_layers_have_no_biases(name, due, count):
    assert total(name, map_sized_fca, branches(name), count) == due


@pytest.mark.parametrize(("reduction", "due"), [(16, 28_078_773), (4, 35_557_941)])
def test_global_context_from_the_second_stage_on(reduction, due, count):
    at = branches("resnet50", "[234]")
    assert total("resnet50", "gc", at, count, reduction=reduction) == due


def test_gated_channel_transformation_before_every_convolution(count):
    assert total("resnet50", "gct", nn.Conv2d, count, before=True) == 25_624_625


def test_gather_excite_with_kernels_as_large_as_the_maps(count):
    assert total("resnet50", map_sized_ge_theta, branches("resnet50"), count) == 31_106_600


def cifar(name):
    """The CIFAR-100 network of CBAM's and BAM's authors: a 3×3 stem, 100 classes."""
    model = host(name, num_classes=100)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False, device="meta")
    return model


@pytest.mark.parametrize(
    ("name", "plain", "with_cbam", "with_bam"),
    [
        ("resnet18", 11_220_132, 11_310_012, 11_243_123),
        ("resnet50", 23_705_252, 26_237_844, 24_063_319),
    ],
)
def test_cbam_and_bam_on_cifar(name, plain, with_cbam, with_bam, count):
    assert count(cifar(name)) == plain
    one, other = cifar(name), cifar(name)
    regard.plug(one, "cbam", branches(name), start="paper")
    example = torch.empty(1, 3, 32, 32, device="meta")
    regard.plug(other, "bam", ["layer1", "layer2", "layer3"], start="paper", example=example)
    assert (count(one), count(other)) == (with_cbam, with_bam)


def test_coordinate_attention_in_mobilenet_v2(count):
    models = pytest.importorskip("torchvision", reason="its host is torchvision's").models
    with torch.device("meta"):
        model = models.mobilenet_v2()
    # After the depthwise convolution of every block that widens; the first one does not.
    depthwise = [f"features.{k}.conv.1" for k in range(2, 18)]
    example = torch.empty(1, 3, 32, 32, device="meta")
    regard.plug(model, "coordinate", depthwise, start="paper", example=example)
    assert count(model) == 3_950_648


@pytest.mark.parametrize(("name", "due"), [("resnet50", 22_561_715), ("resnet101", 38_900_279)])
def test_pyramid_split_attention_for_every_3x3_convolution(name, due, count):
    model = host(name)
    for block in model.modules():
        if isinstance(block, timm.models.resnet.Bottleneck):
            block.conv2 = regard.get("epsa", block.conv2.in_channels, device="meta")
    assert count(model) == due


def test_selective_kernels_for_every_3x3_convolution_of_a_resnext(count):
    model = host("resnext50_32x4d")
    for block in model.modules():
        if isinstance(block, timm.models.resnet.Bottleneck):
            block.conv2 = regard.get("sk", block.conv2.in_channels, groups=32, device="meta")
            block.bn2 = nn.Identity()  # each branch has its own
    assert count(model) == 27_479_784


def test_contextual_transformers_for_every_3x3_convolution(count):
    model = host("resnet50")
    for block in model.modules():
        if isinstance(block, timm.models.resnet.Bottleneck):
            block.conv2 = regard.get("cot", block.conv2.in_channels, device="meta")
            block.bn2 = nn.Identity()  # the official block has none there
    assert count(model) == 22_222_416
