from __future__ import annotations

import numpy as np
import torch

from regard.data import Images, Split


def drawn(count, seed):
    numbers = np.random.default_rng(seed)
    pixels = numbers.integers(0, 256, (count, 1, 28, 28), dtype=np.uint8)
    return Split(pixels, np.arange(count) % 10)


def images():
    return Images(drawn(1000, 0), drawn(50, 1), tuple("0123456789"), "noise")


def rows(split, whole):
    """Which images of the whole these are."""
    known = {pixels.tobytes(): k for k, pixels in enumerate(whole.images)}
    return [known[pixels.tobytes()] for pixels in split.images]


def test_classes_are_as_even_as_can_be_and_what_is_held_out_is_not_trained_on():
    from few_images import some

    whole = images()
    part = some(whole, 105, 0)
    assert np.bincount(part.train.labels).max() - np.bincount(part.train.labels).min() <= 1
    chosen, held = rows(part.train, whole.train), rows(part.validation, whole.train)
    assert len(set(chosen)) == 105
    assert not set(chosen) & set(held)
    assert part.fingerprint != whole.fingerprint


def test_a_larger_set_holds_the_smaller_one_of_its_seed_and_the_largest_is_all():
    from few_images import some

    whole = images()
    small, large, full = (set(rows(some(whole, n, 3).train, whole.train)) for n in (50, 300, 1000))
    assert small < large < full
    assert len(full) == 1000


def test_both_networks_take_the_images_and_are_of_a_size():
    from few_images import NETWORKS, accuracy

    sizes = [sum(p.numel() for p in build().parameters()) for build, _ in NETWORKS.values()]
    assert max(sizes) < 1.1 * min(sizes)
    for name, (build, _) in NETWORKS.items():
        assert build()(torch.zeros(2, 1, 28, 28)).shape == (2, 10)
        assert 0 <= accuracy(images(), name, 30, 60, 0) <= 1
