import pytest
import torch
from torch import nn

from regard.errors import RegardError
from regard.networks import SmallResNet, default_sites, first_convolution, last_stage

timm = pytest.importorskip("timm")
models = pytest.importorskip("torchvision").models


def names(template, depths):
    return [template.format(s, b) for s, depth in enumerate(depths, 1) for b in range(depth)]


@pytest.mark.parametrize(
    ("name", "sites", "stage", "convolution"),
    [
        ("small", names("layer{}.{}.bn2", (1, 1, 1)), "layer3", "stem.conv"),
        ("torchvision:resnet18", names("layer{}.{}.bn2", (2, 2, 2, 2)), "layer4", "conv1"),
        ("torchvision:resnet50", names("layer{}.{}.bn3", (3, 4, 6, 3)), "layer4", "conv1"),
        ("timm:resnet18", names("layer{}.{}.bn2", (2, 2, 2, 2)), "layer4", "conv1"),
        ("timm:seresnet18", names("layer{}.{}.bn2", (2, 2, 2, 2)), "layer4", "conv1"),
        (
            "timm:vit_tiny_patch16_224",
            [f"blocks.{k}" for k in range(12)],
            "blocks.11",
            "patch_embed.proj",
        ),
        (
            "torchvision:mobilenet_v2",
            [f"features.{k}" for k in range(1, 18)],
            "features.17",
            "features.0.0",
        ),
    ],
)
def test_places_in_known_networks(name, sites, stage, convolution):
    source, _, rest = name.partition(":")
    create = {"small": lambda _: SmallResNet(), "timm": timm.create_model}.get(
        source, models.get_model
    )
    model = create(rest)
    assert default_sites(model) == sites
    assert last_stage(model) == stage
    assert first_convolution(model) == convolution


def test_blocks_of_stages_are_found_and_not_what_joins_them():
    model = models.get_model("swin_t")
    depths = {1: 2, 3: 2, 5: 6, 7: 2}
    assert default_sites(model) == [
        f"features.{s}.{b}" for s, n in depths.items() for b in range(n)
    ]
    assert last_stage(model) == "features.7.1"


def test_inverted_residuals_with_normalisations_of_their_own():
    sites = default_sites(timm.create_model("mobilenetv3_small_050"))
    assert sites[0] == "blocks.0.0.bn2"
    assert sites[-1] == "blocks.4.2.bn3"
    assert len(sites) == 11


def test_blocks_outside_of_lists():
    sites = default_sites(timm.create_model("regnetx_002"))
    assert sites[0] == "s1.b1"
    assert sites[-1] == "s4.b7"
    assert len(sites) == 1 + 1 + 4 + 7


def test_encoder_of_pytorch():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 8, batch_first=True), 3)
    assert default_sites(encoder) == ["layers.0", "layers.1", "layers.2"]


class PreActivation(nn.Module):
    def __init__(self):
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)


def test_normalisation_before_the_last_convolution_is_no_end_of_a_branch():
    model = nn.Sequential(PreActivation(), PreActivation())
    assert default_sites(model) == ["0", "1"]
    assert last_stage(model) == "1"


def test_sites_of_a_name_leave_the_random_state():
    before = torch.get_rng_state()
    assert default_sites("small") == default_sites(SmallResNet(3, 3))[:3]
    torch.manual_seed(0)
    assert default_sites("torchvision:resnet18")[0] == "layer1.0.bn2"
    expected = torch.manual_seed(0).get_state()
    assert torch.equal(torch.get_rng_state(), expected)
    torch.set_rng_state(before)


def test_stages_inside_a_wrapper_and_past_nine():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = nn.Module()
            for k in range(1, 12):
                self.net.add_module(f"layer{k}", nn.Sequential(nn.Linear(2, 2)))

    assert last_stage(Wrapper()) == "net.layer11"


@pytest.mark.parametrize("find", [default_sites, last_stage])
def test_nothing_sensible_asks_where(find):
    row = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)]
    with pytest.raises(RegardError, match=r"(?s)in Sequential: .* --with 'none,se@") as caught:
        find(nn.Sequential(nn.Sequential(*row), nn.Linear(4, 4), nn.Linear(4, 2)))
    assert "--at" not in str(caught.value)


def test_no_convolution_is_an_error():
    with pytest.raises(RegardError, match=r"Linear: no nn.Conv2d"):
        first_convolution(nn.Linear(2, 2))
