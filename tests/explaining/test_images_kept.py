import base64
import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import regard
from regard.comparison.trained import Trained
from regard.errors import RegardError
from regard.explaining.images.kept import look_kept
from regard.explaining.images.numbers import KINDS, MAPS, ROOM, numbers_of
from regard.explaining.images.watching import watch
from regard.mechanisms.cbam import CBAM
from regard.mechanisms.se import SqueezeExcitation
from regard.mechanisms.spatial_transformer import SpatialTransformer
from regard.tasks.image_codec import ImageCodec


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    pixels = np.random.default_rng(1).integers(0, 255, (30, 50, 3), np.uint8)
    Image.fromarray(pixels).save(path := tmp_path_factory.mktemp("photos") / "photo.png")
    return path


def unpacked(packed):
    flat = np.frombuffer(base64.b64decode(packed["data"]), "<f4")
    return torch.from_numpy(flat.copy()).reshape(packed["shape"])


@pytest.mark.parametrize(
    ("mechanism", "kind", "lacking"),
    [
        ("se@layer3.**", "se", ("eca", "cbam", "warp")),
        ("eca_circular", "eca", ("se", "cbam", "warp")),
        ("cbam(variant=paper,kernel_size=3)", "cbam", ("se", "eca", "warp")),
        ("spatial_transformer", "warp", ("se", "eca", "cbam", "maps")),
        ("spatial_transformer_attention@layer1", "warp", ("se", "maps")),
    ],
)
def test_a_page_has_what_the_network_has(kept_on_images, photo, mechanism, kind, lacking):
    html = regard.explain(photo, on=kept_on_images(mechanism)).html()
    data = json.loads(html.split('id="numbers">')[1].split("</script>")[0])
    assert kind in data
    assert not set(lacking) & set(data)
    assert "Fashion-MNIST" not in html
    assert "&lt;b&gt;dark" in html
    assert "On its test images it reached: " in html
    assert "在测试图上达到：" in html
    assert len(html) < 300_000


def test_the_picture_is_read_as_the_network_takes_it(kept_on_images, photo):
    """The answer on the page is that of ``regard predict``."""
    folder = kept_on_images("se")
    trained, look = Trained.load(folder), look_kept(folder, photo)
    best = str(look.told[1]).split(">")[1].rpartition(" ")[0].split(" ")[0]
    assert trained.predict([str(photo)]) == [best.replace("&lt;", "<").replace("&gt;", ">")]
    low, high = (torch.tensor(ends).view(3, 1, 1) for ends in zip(*look.levels, strict=True))
    pixels = trained.codec.read(str(photo))
    assert torch.allclose((look.x[0] - low) / (high - low), torch.tensor(pixels) / 255, atol=1e-5)


def test_gates_are_those_of_a_plain_forward_pass(kept_on_images, photo):
    folder = kept_on_images("se")
    look, model = look_kept(folder, photo), Trained.load(folder).model
    module = next(m for m in model.modules() if type(m) is SqueezeExcitation)
    seen = []
    module.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    with torch.no_grad():
        model(look.x)
    gate = module.sigmoid(module.expand(module.reduce(seen[0].mean((2, 3))).relu()))[0]
    assert torch.allclose(torch.tensor(numbers_of(look.passes)["se"]["gate"]), gate, atol=1e-6)


class Wide(nn.Module):
    """Gates on maps of which a page has room for some only, and SE on others behind them."""

    def __init__(self, channels=200):
        super().__init__()
        self.spread = nn.Conv2d(1, channels, 3, padding=1)
        self.cbam, self.se = CBAM(channels), SqueezeExcitation(channels)
        self.head = nn.Linear(channels, 2)
        nn.init.constant_(self.cbam.spatial.norm.weight, 1.0)

    def forward(self, x):
        return self.head(self.se(self.cbam(self.spread(x)) + 1).mean((2, 3)))


@pytest.fixture
def wide():
    torch.manual_seed(0)
    network = Wide().eval()
    return network, torch.rand(1, 1, 40, 30)


def test_of_many_maps_the_first_are_kept_and_what_becomes_of_the_others(wide):
    passes, _ = watch(*wide, KINDS)
    seen = passes["cbam"]
    numbers = numbers_of({"cbam": seen})
    kept = unpacked(numbers["maps"])
    assert kept.numel() <= MAPS
    assert torch.equal(kept, seen.given[: len(kept)])
    assert 32 == numbers["shown"] < len(kept) < numbers["channels"] == 200
    rest = seen.given[len(kept) :]
    assert torch.allclose(torch.tensor(numbers["rest"]["means"]), rest.mean((1, 2)), atol=1e-6)
    assert torch.equal(torch.tensor(numbers["rest"]["most"]), rest.amax((1, 2)))
    gated = seen.given * seen.gates[0]
    statistics = numbers["cbam"]["spatial"]["statistics"]
    assert torch.allclose(unpacked(statistics["max"])[0], gated.amax(0), atol=1e-6)
    assert torch.allclose(unpacked(statistics["mean"])[0], gated.mean(0), atol=1e-6)


def test_a_gate_on_other_maps_is_named_and_left_out(wide, photo, monkeypatch):
    codec = ImageCodec(classes=("a", "b"), channels=1, shape=(1, 40, 30), mean=(0.0,), std=(1.0,))
    about = {"data": {"name": "made"}, "measures": {"accuracy": 0.5}, "epochs": [1]}
    trained = Trained(wide[0], codec, about)
    monkeypatch.setattr(Trained, "load", lambda folder, run_code: trained)
    look = look_kept("folder", photo)
    assert set(look.passes) == {"cbam"}
    assert "weighs other maps than the first gate: se (se)." in str(look.origin[1])


def test_of_a_large_sampled_picture_some_pixels_are_compared():
    network = nn.Sequential(SpatialTransformer(3), nn.Flatten()).eval()
    x = torch.rand(1, 3, 150, 224)
    passes, _ = watch(network, x, KINDS)
    found = numbers_of(passes)["warp"]
    assert found["step"] > 1
    assert torch.equal(unpacked(found["picture"]), x[0])
    whole, step = passes["spatial_transformer"].out, found["step"]
    assert torch.allclose(unpacked(found["checks"][0]["out"]), whole[:, ::step, ::step])


def test_more_numbers_than_a_page_has_room_for_are_refused():
    network = nn.Sequential(SpatialTransformer(3), nn.Flatten()).eval()
    passes, _ = watch(network, torch.rand(1, 3, 400, 500), KINDS)
    with pytest.raises(RegardError, match=f"3.. MB, and a page has room for {ROOM / 1e6} MB"):
        numbers_of(passes)


@pytest.mark.parametrize(
    ("mechanism", "said"),
    [("simam", "has simam plugged in, and a page"), ("none", "has nothing plugged in; a page"),
     ("spatial_transformer_tps", "has spatial_transformer_tps plugged in")],
)  # fmt: skip
def test_a_network_with_none_of_these_is_refused(kept_on_images, photo, mechanism, said):
    with pytest.raises(RegardError, match=said) as caught:
        regard.explain(photo, on=kept_on_images(mechanism))
    assert "regard train DATA --with se" in str(caught.value)


def test_a_text_and_a_picture_each_want_their_own_kind_of_network(kept, kept_on_images, photo):
    with pytest.raises(RegardError, match="holds a network for tagging; give it a text"):
        regard.explain(photo, on=kept("tagging", "convolution"))
    with pytest.raises(RegardError, match="holds a network for images; give it an image"):
        regard.explain("a text", on=kept_on_images("se"))


def test_the_command_takes_a_picture_and_a_folder(kept_on_images, photo, tmp_path, capsys):
    from regard.cli import main

    place = str(tmp_path / "page.html")
    folder = str(kept_on_images("se"))
    assert main(["explain", str(photo), "--on", folder, "--out", place]) == 0
    assert capsys.readouterr().out == f"page: {place}\n"
