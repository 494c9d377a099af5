import pytest
import torch
from torch import nn

from regard import RegardError
from regard.networks import SmallResNet
from regard.seeing import grad_cam


class Pooled(nn.Module):
    """A convolution, a mean over places, a linear layer: where Grad-CAM is CAM."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 5)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def test_behind_a_mean_it_is_the_class_activation_map():
    model, x = Pooled(), torch.randn(2, 3, 8, 7)
    found = grad_cam(model, x, target=torch.tensor([1, 3]))
    maps = model.conv(x)
    weights = model.fc.weight[[1, 3]][:, :, None, None] / (6 * 5)
    torch.testing.assert_close(found.values, (weights * maps).sum(1).clamp(min=0).detach())
    assert found.where == "conv"
    assert found.spread((8, 7)).shape == (2, 8, 7)


def test_the_best_class_is_the_default_and_a_function_can_say_another():
    model, x = Pooled(), torch.randn(2, 3, 8, 8)
    best = model(x).argmax(1)
    wanted = grad_cam(model, x, best).values
    torch.testing.assert_close(grad_cam(model, x).values, wanted)
    torch.testing.assert_close(grad_cam(model, x, lambda out: out.amax(1)).values, wanted)


def test_nothing_of_the_model_is_left_changed():
    model, x = SmallResNet(3, 3).train(), torch.randn(2, 3, 32, 32)
    model.stem.requires_grad_(False)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    found = grad_cam(model, x)
    assert found.where.startswith("layer3")
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert not any(p.requires_grad for p in model.stem.parameters())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_layer_can_be_named():
    model, x = SmallResNet(3, 3), torch.randn(1, 3, 32, 32)
    assert grad_cam(model, x, layer="layer1").values.shape == (1, 16, 16)
    with pytest.raises(RegardError, match="matches no module"):
        grad_cam(model, x, layer="layer9")


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({}, "blocks.1.norm1"),  # behind it only the class token reaches the classifier
        ({"class_token": False, "global_pool": "avg"}, "blocks.1"),
        ({"reg_tokens": 3}, "blocks.1.norm1"),
    ],
    ids=["class token", "mean", "registers"],
)
def test_layer_and_grid_of_a_vision_transformer_are_found(options, where):
    timm = pytest.importorskip("timm")
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=(32, 48), patch_size=8, depth=2, embed_dim=24,
        num_heads=3, num_classes=4, **options,
    )  # fmt: skip
    nn.init.normal_(model.head.weight)
    found = grad_cam(model, torch.randn(2, 3, 32, 48))
    assert (found.where, found.values.shape) == (where, (2, 4, 6))
    assert found.values.max() > 0


def test_swin_and_channels_last_too():
    timm = pytest.importorskip("timm")
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, depths=(1, 1), embed_dim=16,
        num_heads=(2, 4), window_size=4, num_classes=4,
    )  # fmt: skip
    found = grad_cam(model, torch.randn(2, 3, 32, 32))
    assert (found.where, found.values.shape) == ("norm", (2, 4, 4))


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (nn.Linear(4, 2), torch.randn(2, 4), "takes pictures"),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), torch.randn(2, 3, 4, 4), "no output with"),
        (nn.Sequential(nn.Conv2d(3, 2, 3)), torch.randn(2, 3, 8, 8), "holds no scores of classes"),
    ],
)
def test_what_has_no_places_or_no_classes_is_refused(model, x, words):
    with pytest.raises(RegardError, match=words):
        grad_cam(model, x)


def test_a_class_that_is_not_there_is_refused():
    with pytest.raises(RegardError, match="there are 5 classes"):
        grad_cam(Pooled(), torch.randn(1, 3, 8, 8), target=5)
