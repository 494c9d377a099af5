import base64
import json
import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import regard
from regard.errors import RegardError
from regard.explaining.images.network import GATES, load_shipped_images, only
from regard.explaining.images.numbers import KINDS, numbers_of
from regard.explaining.images.reading import is_picture, read_large, read_small
from regard.explaining.images.watching import watch


@pytest.fixture(scope="module")
def shipped():
    return load_shipped_images()


@pytest.fixture(scope="module")
def x():
    return torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def passes(shipped, x):
    found = {}
    for name in GATES:
        with only(shipped.network, "spatial_transformer", name):
            found |= watch(shipped.network, x, KINDS)[0]
    return found


@pytest.fixture(scope="module")
def numbers(passes):
    return numbers_of(passes)


@pytest.fixture
def picture(tmp_path):
    pixels = np.zeros((40, 60, 3), np.uint8)
    pixels[10:30, 20:40] = (200, 120, 40)
    Image.fromarray(pixels).save(path := tmp_path / "a <b>.png")
    return path


def unpacked(packed):
    flat = np.frombuffer(base64.b64decode(packed["data"]), "<f4")
    return torch.from_numpy(flat.copy()).reshape(packed["shape"])


def layered(part, z):
    reduce, expand = part["reduce"], part["expand"]
    hidden = F.relu(unpacked(reduce["weight"]) @ z + torch.tensor(reduce["bias"]))
    return unpacked(expand["weight"]) @ hidden + torch.tensor(expand["bias"])


def test_gates_follow_from_the_maps_and_the_weights(numbers):
    maps = unpacked(numbers["maps"])
    z, most = maps.mean((1, 2)), maps.amax((1, 2))
    se, eca, cbam = numbers["se"], numbers["eca"], numbers["cbam"]
    taps = torch.tensor(eca["taps"]).view(1, 1, -1)
    expected = {
        "se": layered(se, z).sigmoid(),
        "eca": F.conv1d(z.view(1, 1, -1), taps, padding=taps.shape[2] // 2).flatten().sigmoid(),
        "cbam": (layered(cbam, z) + layered(cbam, most)).sigmoid(),
    }
    for name, gate in expected.items():
        assert torch.allclose(torch.tensor(numbers[name]["gate"]), gate, atol=1e-6), name


def test_the_spatial_gate_follows_from_the_gated_maps(numbers):
    gated = unpacked(numbers["maps"]) * torch.tensor(numbers["cbam"]["gate"]).view(-1, 1, 1)
    spatial = numbers["cbam"]["spatial"]
    pooled = {"max": gated.amax(0), "mean": gated.mean(0)}
    stacked = torch.stack([pooled[name] for name in spatial["order"]])[None]
    logits = F.conv2d(stacked, torch.tensor(spatial["kernels"])[None], padding=3)
    gate = (spatial["factor"] * logits + spatial["shift"]).sigmoid()[0]
    assert unpacked(spatial["gate"]).shape == (1, 16, 16)
    assert torch.allclose(unpacked(spatial["gate"]), gate, atol=1e-5)


def test_the_warped_pictures_are_those_of_pytorchs_own_sampler(numbers, x):
    theta = torch.tensor([check["theta"] for check in numbers["warp"]["checks"]])
    grid = F.affine_grid(theta, (3, 1, 32, 32), align_corners=True)
    expected = F.grid_sample(x.expand(3, -1, -1, -1), grid, align_corners=True)
    found = torch.stack([unpacked(check["out"]) for check in numbers["warp"]["checks"]])
    assert torch.allclose(found, expected, atol=1e-5)
    assert numbers["warp"]["theta"] == numbers["warp"]["checks"][0]["theta"]


def test_all_gates_weigh_the_same_maps_and_the_gates_differ(passes):
    given = [passes[name].given for name in GATES]
    assert all(torch.equal(given[0], other) for other in given[1:])
    for name in ("se", "eca"):
        assert torch.allclose(passes[name].out, given[0] * passes[name].gates[0])
    assert not torch.allclose(passes["se"].gates[0], passes["eca"].gates[0], atol=1e-2)


def test_the_shipped_gates_look_at_the_picture(shipped, x):
    """A hidden unit that is never above zero would make every gate a constant."""
    found = []
    for picture in (x, x * 0.1, x.tril()):
        with only(shipped.network, "spatial_transformer", "se"):
            found.append(watch(shipped.network, picture, KINDS)[0]["se"].gates[0].flatten())
    assert (torch.stack(found).std(0) > 1e-3).all()


def test_only_switches_back(shipped):
    before = [a.enabled for a in regard.plugged(shipped.network).attachments().values()]
    with only(shipped.network, "eca"):
        assert [r[1] for r in regard.plugged(shipped.network).rows() if r[4] == "yes"] == ["eca"]
    assert [a.enabled for a in regard.plugged(shipped.network).attachments().values()] == before


def test_weights_stay_small():
    from importlib.resources import files

    folder = files("regard.explaining") / "weights"
    sizes = [p.stat().st_size for p in folder.iterdir() if p.name.endswith(".safetensors")]
    assert sum(sizes) < 1_000_000


@pytest.mark.parametrize(
    ("what", "picture"),
    [("photo.jpg", True), ("a/b/photo.PNG", True), ("I like photo.jpg", False), ("photo", False),
     ("Thinking Machines", False), (".jpg is a suffix", False)],
)  # fmt: skip
def test_an_argument_that_ends_as_image_files_do_is_an_image(what, picture):
    assert is_picture(what) is picture


def test_a_name_with_spaces_is_an_image_where_the_file_is_there(picture):
    assert is_picture(str(picture))
    assert is_picture(picture)


def test_a_bright_border_turns_the_picture_into_its_negative(tmp_path):
    Image.new("RGB", (50, 20), "white").save(path := tmp_path / "white.jpg")
    x, negative = read_small(path)
    assert negative
    assert x.shape == (1, 1, 32, 32)
    assert x.max() == 0


def test_pictures_are_upright_flat_and_of_any_size(tmp_path):
    half = Image.new("RGBA", (900, 300), (0, 0, 0, 0))  # transparent: white
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter
    half.save(path := tmp_path / "half.png", exif=exif)
    large = read_large(path)
    assert large.shape == (3, 320, 107)
    assert large.min() == 255
    Image.new("L", (1, 1), 9).save(path := tmp_path / "one.png")
    assert read_large(path).shape == (3, 1, 1)


def test_what_gives_no_image_is_told_in_a_sentence(tmp_path):
    with pytest.raises(RegardError, match=r"nowhere.jpg is not there"):
        regard.explain(str(tmp_path / "nowhere.jpg"))
    (path := tmp_path / "text.jpg").write_text("no image")
    with pytest.raises(RegardError, match="no image of a known format") as caught:
        regard.explain(path)
    assert "skip" not in str(caught.value)
    with pytest.raises(RegardError, match="is for texts"):
        regard.explain(path, "attention")


def test_the_page_is_whole_small_and_safe(picture):
    page = regard.explain(picture, language="zh").html()
    assert '<html lang="zh">' in page
    assert len(page) < 300_000
    assert "a &lt;b&gt;.png" in page
    assert "<b>" not in page
    assert "eval(" not in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    data = json.loads(page.split('id="numbers">')[1].split("</script>")[0])
    assert {"maps", "se", "eca", "cbam", "warp"} <= set(data)
    tongues = re.findall(r'lang="(en|zh)" class="tongue"', page)
    assert tongues.count("en") == tongues.count("zh") > 60


def test_the_command_writes_the_page_and_refuses_to(picture, tmp_path, capsys):
    from regard.cli import main

    place = str(tmp_path / "page.html")
    assert main(["explain", str(picture), "--out", place]) == 0
    assert capsys.readouterr().out == f"page: {place}\n"
    assert main(["explain", str(picture), "--to", "x", "--out", place]) == 1
    assert "is for texts" in capsys.readouterr().err
    assert main(["explain", "nowhere.jpg", "--out", place]) == 1
    assert "nowhere.jpg is not there" in capsys.readouterr().err
