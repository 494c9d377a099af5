import json
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from regard.comparison.pictures import Shown, _corners, _ends, pictures
from regard.comparison.reading import names_of, read_grid
from regard.comparison.spec import MAPS
from regard.data import Images
from regard.tasks import data_folder


@pytest.fixture
def images(finished):
    return Images.load(data_folder(finished, read_grid(finished)["data"]["key"]))


def trial_of(folder, label, seed=0):
    return folder / "trials" / names_of(read_grid(folder))[label, seed]


def shown_of(fragments):
    return "".join(map(str, fragments))


@pytest.mark.parametrize(
    ("label", "headings", "figures"),
    [
        ("se", ["Channel gates at layer1.0.bn2", "Channel gates at layer3.0.bn2"], 3),
        ("cbam", ["Channel gates at layer2.0.bn2", "Spatial gate at layer2.0.bn2"], 3 + 3 * 2),
        ("spatial_transformer", ["The part of the image that is sampled at stem.conv"], 2),
        ("multihead@layer2.*", ["Attention that each place receives at layer2.0"], 2),
    ],
)
def test_every_kind_of_attention_has_a_picture(finished, images, label, headings, figures):
    text = shown_of(pictures(trial_of(finished, label), images))
    for heading in headings:
        assert f"<h4>{heading}</h4>" in text
    assert text.count("<figure") == figures
    assert "regard.after" not in text


def test_the_plain_network_has_no_pictures(finished, images):
    assert pictures(trial_of(finished, "none"), images) == []


def write_maps(folder, maps, images=(0, 1), frames=None):
    header = {"frames": json.dumps(frames or {}), "images": json.dumps(list(images))}
    save_file({k: np.asarray(v, np.float32) for k, v in maps.items()}, folder / MAPS, header)


def test_of_many_sites_the_first_the_middle_and_the_last_are_shown(tmp_path, images):
    write_maps(tmp_path, {f"{i}/gate/block{i}": np.ones((2, 1, 4, 4)) * i for i in range(11)})
    text = shown_of(pictures(tmp_path, images))
    assert [f"block{i}<" in text for i in range(11)] == [i in (0, 5, 10) for i in range(11)]


def test_values_that_are_not_finite_are_said_and_not_drawn(tmp_path, images):
    gate = np.full((2, 1, 4, 4), np.nan)
    write_maps(
        tmp_path, {"0/gate/a": gate, "1/theta/b": gate[:, 0, :2, :3]}, frames={"1/theta/b": [8, 8]}
    )
    text = shown_of(pictures(tmp_path, images))
    assert text.count("is not finite") == 2
    assert "<figure" not in text


def test_gates_that_hardly_differ_look_alike_and_images_share_one_scale():
    flat = np.linspace(0.4999, 0.5001, 8, dtype=np.float32)
    assert _ends(flat) == pytest.approx((0.45, 0.55))
    assert _ends(np.array([0.1, 0.9], np.float32)) == pytest.approx((0.1, 0.9))


def test_a_scale_stands_under_every_picture_of_numbers(finished, images):
    text = shown_of(pictures(trial_of(finished, "cbam"), images))
    assert text.count('class="colour-bar"') == 6
    text = shown_of(pictures(trial_of(finished, "spatial_transformer"), images))
    assert "colour-bar" not in text


def test_forms_without_a_picture_are_left_out(tmp_path, images):
    write_maps(
        tmp_path,
        {
            "0/gate/a": np.ones((2, 3, 4, 1)),
            "1/weights/b": np.ones((2, 5, 7)),
            "2/gate/c": np.ones((2, 6)),
        },
    )
    text = shown_of(pictures(tmp_path, images))
    assert "at a<" not in text
    assert "at b<" not in text


@pytest.mark.parametrize("damage", ["cut", "header", "images", "count"])
def test_damaged_maps_are_said_and_do_not_stop_a_report(tmp_path, images, damage):
    write_maps(
        tmp_path,
        {"0/gate/a": np.ones((2, 1, 4, 4))},
        images={"images": (0, 99), "count": (0, 1, 2)}.get(damage, (0, 1)),
    )
    if damage == "cut":
        (tmp_path / MAPS).write_bytes((tmp_path / MAPS).read_bytes()[:20])
    elif damage == "header":
        save_file({"x": np.ones(1, np.float32)}, tmp_path / MAPS)
    (text,) = pictures(tmp_path, images)
    assert "cannot be shown" in text


def test_the_corners_of_an_identity_warp_are_centres_of_the_corner_pixels():
    image = np.zeros((6, 8), np.uint8)
    found = _corners(np.eye(2, 3, dtype=np.float32), image, (6, 8))
    assert found == [(0.5, 0.5), (7.5, 0.5), (7.5, 5.5), (0.5, 5.5)]


def test_corners_follow_theta():
    image = np.zeros((6, 8), np.uint8)
    half = np.array([[0.5, 0, 0.2], [0, 0.25, 0]], np.float32)
    found = np.array(_corners(half, image, (6, 8)))
    # (x, y) = θ (±1, ±1, 1) in [-1, 1], then (x + 1) / 2 · 7 + ½ and (y + 1) / 2 · 5 + ½
    left, right = 3.5 * (1 - 0.5 + 0.2) + 0.5, 3.5 * (1 + 0.5 + 0.2) + 0.5
    top, bottom = 2.5 * 0.75 + 0.5, 2.5 * 1.25 + 0.5
    expected = [(left, top), (right, top), (right, bottom), (left, bottom)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_warp_of_a_smaller_map_is_drawn_over_the_whole_image():
    image = np.zeros((12, 16), np.uint8)
    found = _corners(np.eye(2, 3, dtype=np.float32), image, (6, 8))
    assert found == [(1.0, 1.0), (15.0, 1.0), (15.0, 11.0), (1.0, 11.0)]


def test_images_are_shown_with_their_classes(images):
    shown = Shown.of(images, [0, 1])
    assert shown.names == ("0", "1")
    assert np.array_equal(shown.pixels[1], images.test.images[1, 0])
    assert str(shown.gallery()).count("<img") == 2


def test_a_class_with_a_name_that_wants_to_run_is_inert(finished, images):
    evil = replace(images, classes=("<script>alert(1)</script>", '" onload="alert(1)'))
    for label in ("se", "cbam", "spatial_transformer"):
        text = shown_of(pictures(trial_of(finished, label), evil))
        assert "<script" not in text
        assert 'onload="' not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
