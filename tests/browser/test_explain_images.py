"""The page of ``regard explain photo.jpg`` as a reader has it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from regard.explaining.images.looks import Look
from regard.explaining.images.network import GATES, load_shipped_images, only
from regard.explaining.images.numbers import KINDS
from regard.explaining.images.pages import write_page
from regard.explaining.images.reading import read_small
from regard.explaining.images.watching import watch
from regard.mechanisms.cbam import CBAM
from regard.mechanisms.se import SqueezeExcitation
from regard.mechanisms.spatial_transformer import SpatialTransformer


@pytest.fixture(scope="module")
def written(made):
    return made("explain_picture")[0]


@pytest.fixture(scope="module")
def picture(written):
    return written.parent / "shirt.png"


@pytest.fixture(scope="module")
def passes(picture):
    network, found = load_shipped_images().network, {}
    for name in GATES:
        with only(network, "spatial_transformer", name):
            found |= watch(network, read_small(picture)[0], KINDS)[0]
    return found


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Of more maps than a page has room for, and a sampler in front."""
    torch.manual_seed(0)
    gates = CBAM(600), SqueezeExcitation(600)
    torch.nn.init.constant_(gates[0].spatial.norm.weight, 1.0)
    x = torch.rand(1, 3, 18, 14)
    spread = torch.nn.Conv2d(3, 600, 3, padding=1)
    found = {}
    for gate in gates:
        network = torch.nn.Sequential(SpatialTransformer(3), spread, gate, torch.nn.Flatten())
        found |= watch(network.eval(), x, KINDS)[0]
    pixels = np.zeros((3, 9, 9), np.uint8)
    look = Look("wide.png", pixels, x, [[0.0, 1.0]] * 3, found, [], [], moved=True)
    folder = tmp_path_factory.mktemp("wide")
    return found, write_page(look).write_html(folder / "page.html")


def number(text):
    return float(text.replace("−", "-"))


def column(page, grid, place):
    """A column of a grid, as numbers."""
    cells = page.locator(f"#grid-{grid} tbody tr td:nth-of-type({place})").all()
    return torch.tensor([number(cell.inner_text()) for cell in cells])


def pixels(page, canvas):
    """What is drawn, red of each pixel from 0 to 1."""
    height, width, data = page.evaluate(
        "id => { const c = document.getElementById(id), k = document.createElement('canvas');"
        " Object.assign(k, { width: c.width, height: c.height });"
        " const drawing = k.getContext('2d', { willReadFrequently: true });"
        " drawing.drawImage(c, 0, 0);"
        " const { data } = drawing.getImageData(0, 0, k.width, k.height);"
        " return [k.height, k.width, [...data].filter((_, i) => i % 4 === 0)]; }",
        canvas,
    )
    return torch.tensor(data).view(height, width) / 255


def by_pytorch(picture, theta):
    x = read_small(picture)[0]
    grid = F.affine_grid(torch.tensor([theta]), x.shape, align_corners=True)
    return F.grid_sample(x, grid, align_corners=True)[0, 0]


def theta_of(page):
    flat = [float(page.input_value(f"#theta-{k}")) for k in range(6)]
    return [flat[:3], flat[3:]]


def test_the_numbers_shown_are_those_of_pytorch(visit, written, passes):
    page = visit(written)
    shown = {
        "z": (column(page, "z", 1), passes["se"].given.mean((1, 2))),
        "SE": (column(page, "se-gate", 2), passes["se"].gates[0].flatten()),
        "ECA": (column(page, "eca-gate", 5), passes["eca"].gates[0].flatten()),
        "max": (column(page, "statistics", 2), passes["cbam"].given.amax((1, 2))),
        "CBAM": (column(page, "cbam-gate", 4), passes["cbam"].gates[0].flatten()),
    }
    for name, (found, expected) in shown.items():
        assert len(found) == 16
        assert (found - expected).abs().max() < 0.0005 + 1e-5, name


def test_the_page_compares_itself_with_pytorch(visit, written):
    page = visit(written)
    assert page.locator("#check").is_visible()
    assert page.inner_text(".check-count") == str(3 * 16 + 16 * 16 + 3 * 32 * 32)
    assert float(page.get_attribute("#check", "data-worst")) < 1e-5


def test_of_many_channels_the_first_are_shown_and_all_are_computed(visit, wide):
    passes, path = wide
    page = visit(path)
    assert page.inner_text(".check-count") == str(2 * 600 + 18 * 14 + 3 * 3 * 18 * 14)
    assert float(page.get_attribute("#check", "data-worst")) < 1e-5
    assert page.get_by_text("Shown are the first 32 of 600 channels").is_visible()
    assert page.get_by_text("The page has room for the first 520 maps").is_visible()
    assert page.locator(".map").count() == page.locator("#grid-z tbody tr").count() == 32
    items = page.locator("#bars-SE li").all_inner_texts()
    assert len(items) == 33
    assert items[16] == "… (568)"
    assert number(items[0].split()[-1]) == pytest.approx(
        passes["se"].gates[0].max().item(), abs=6e-4
    )
    gated = (passes["cbam"].given * passes["cbam"].gates[0])[:, 7, 8]
    for grid, expected in (("max", gated.max()), ("mean", gated.mean())):
        page.hover(f"#grid-space-{grid} tbody tr:nth-of-type(8) td:nth-of-type(9)")
        text = page.inner_text("#readout-text")
        assert number(text.rpartition(" = ")[2]) == pytest.approx(expected.item(), abs=6e-4)
    assert "(600 products)) ÷ 600" in text


def test_a_network_of_ones_own_compares_itself_with_pytorch(visit, made):
    page = visit(made("explain_picture_on")[0])
    assert float(page.get_attribute("#check", "data-worst")) < 1e-5
    assert "plain" in page.inner_text("main")
    assert page.locator("#warp-controls").count() == page.locator("#bars-SE").count() == 0
    page.wait_for_function(
        "document.getElementById('over').width === 256 && "
        "document.getElementById('over').hasAttribute('aria-label')"
    )
    assert pixels(page, "over").std() > 0.01


def test_gates_are_sorted_and_the_largest_is_first(visit, written, passes):
    page = visit(written)
    for name in ("SE", "ECA", "CBAM"):
        found = [
            number(li.inner_text())
            for li in page.locator(f"#bars-{name} li .number:last-child").all()
        ]
        gate = passes[name.lower()].gates[0].flatten()
        assert found == sorted(found, reverse=True)
        assert found[0] == pytest.approx(gate.max().item(), abs=0.0006)
        first = page.locator(f"#bars-{name} li .number:first-child").first.inner_text()
        assert first == str(int(gate.argmax()) + 1)


def test_a_spatial_cell_tells_its_sum_and_its_gate(visit, written, passes):
    page = visit(written)
    page.hover("#grid-space-gate tbody tr:nth-of-type(8) td:nth-of-type(9)")
    text = page.inner_text("#readout-text")
    assert "(98 products)" in text
    expected = passes["cbam"].gates[1][0, 7, 8].item()
    assert number(text.rpartition(" = ")[2]) == pytest.approx(expected, abs=0.0006)
    page.hover("#grid-space-max tbody tr:nth-of-type(8) td:nth-of-type(9)")
    gated = passes["cbam"].given * passes["cbam"].gates[0]
    most = number(page.inner_text("#readout-text").rpartition(" = ")[2])
    assert most == pytest.approx(gated[:, 7, 8].max().item(), abs=0.0006)


def test_by_hand_gives_the_gates_of_the_channel_chosen(visit, written, passes):
    page = visit(written)
    page.select_option("#channel", index=6)
    assert page.get_attribute(".map >> nth=6", "aria-pressed") == "true"
    for name in ("se", "eca"):
        said = number(page.inner_text(f"#hand-{name}-s").rpartition(" = ")[2])
        assert said == pytest.approx(passes[name].gates[0].flatten()[6].item(), abs=0.0006)
    terms, total = page.inner_text("#hand-eca-u").replace("−", "-").split(" = ")[1:]
    pairs = [t.replace("(", "").replace(")", "").split("×") for t in terms.split(" + ")]
    assert sum(float(a) * float(b) for a, b in pairs) == pytest.approx(float(total), abs=0.003)
    page.click(".map >> nth=2")
    assert page.input_value("#channel") == "2"


def test_a_slider_moves_the_picture_and_it_is_what_pytorch_samples(visit, written, picture):
    page = visit(written)
    before = pixels(page, "warped")
    page.focus("#turn")
    for _ in range(12):
        page.keyboard.press("ArrowRight")
    after = pixels(page, "warped")
    assert (after - before).abs().max() > 0.1
    # θ is shown with three digits, which moves a sample by a fiftieth of a pixel at most
    assert (after - by_pytorch(picture, theta_of(page))).abs().max() < 0.03
    page.click("#own")
    assert torch.equal(pixels(page, "warped"), before)


def test_each_slider_moves_something_and_back(visit, written):
    page = visit(written)
    own = pixels(page, "warped")
    for name in ("turn", "width", "height", "slant", "right", "down"):
        page.focus(f"#{name}")
        for _ in range(10):
            page.keyboard.press("ArrowLeft")
        assert not torch.equal(pixels(page, "warped"), own), name
        page.click("#own")
        assert torch.equal(pixels(page, "warped"), own)


def test_theta_itself_can_be_written(visit, written, picture):
    page = visit(written)
    theta = [[0.5, 0.1, 0.2], [-0.1, 0.6, -0.3]]
    for k, x in enumerate([*theta[0], *theta[1]]):
        page.fill(f"#theta-{k}", str(x))
    assert (pixels(page, "warped") - by_pytorch(picture, theta)).abs().max() < 0.5 / 255 + 1e-4
    page.click("#identity")
    seen = read_small(picture)[0][0, 0]
    assert (pixels(page, "warped") - seen).abs().max() < 0.5 / 255 + 1e-6


def test_one_pixel_is_the_sum_of_its_four_neighbours(visit, written, picture):
    page = visit(written)
    page.fill("#pixel-i", "14")
    page.fill("#pixel-j", "17")
    page.keyboard.press("Enter")
    rows = page.locator("#four tbody tr").all()
    cells = [[td.inner_text() for td in row.locator("td").all()] for row in rows]
    products = [number(cell[2]) for cell in cells]
    assert sum(products[:4]) == pytest.approx(products[4], abs=0.003)
    weights = [number(cell[1].rpartition("= ")[2]) for cell in cells[:4]]
    assert sum(weights) == pytest.approx(1, abs=0.003)
    expected = by_pytorch(picture, theta_of(page))[14, 17].item()
    assert products[4] == pytest.approx(expected, abs=0.03)


def test_a_press_on_the_output_chooses_the_pixel(visit, written):
    page = visit(written)
    box = page.locator("#warped").bounding_box()
    position = {"x": box["width"] * 20.5 / 32, "y": box["height"] * 5.5 / 32}
    page.click("#warped", position=position)
    assert (page.input_value("#pixel-i"), page.input_value("#pixel-j")) == ("5", "20")


def test_the_language_switch_changes_every_word(visit, written):
    page = visit(written)
    assert "brightest" in page.get_attribute(".map >> nth=0", "aria-label")
    page.click("#language")
    assert "最亮" in page.get_attribute(".map >> nth=0", "aria-label")
    assert page.get_by_text("空间变换网络：看哪里").last.is_visible()
    assert page.inner_text("#ends-SE figcaption >> nth=0").startswith("SE, 最弱")
    assert "采样网格" in page.get_attribute("#source", "aria-label")
