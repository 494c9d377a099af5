import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from regard.data import Images, Split
from regard.errors import RegardError
from regard.training import Feed, evaluate


def in_colour(images: Images) -> Images:
    splits = {
        role: Split(np.repeat(split.images, 3, 1), split.labels)
        for role, split in images.splits().items()
    }
    return dataclasses.replace(images, **splits, fingerprint="")


def test_training_images_are_normalised_by_their_own_mean_and_deviation(stripes):
    feed = Feed.of(stripes, "cpu")
    x = torch.cat([x for x, _ in feed.batches(stripes.train, 7)])
    assert float(x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(x.std(unbiased=False)) == pytest.approx(1, abs=1e-5)
    back = (x * feed.std + feed.mean) * 255
    assert np.array_equal(back.round().numpy().astype(np.uint8), stripes.train.images)


def test_each_image_comes_once_with_its_label(stripes):
    feed = Feed.of(stripes, "cpu")
    batches = list(feed.batches(stripes.test, 3))
    assert [len(labels) for _, labels in batches] == [3, 3, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == stripes.test.labels.tolist()
    whole = feed.normalised(stripes.test.images)
    assert torch.equal(torch.cat([x for x, _ in batches]), whole)


def test_an_order_chooses_and_shuffles(stripes):
    feed = Feed.of(stripes, "cpu")
    order = torch.tensor([5, 0, 3])
    batches = list(feed.batches(stripes.train, 2, order))
    assert torch.cat([y for _, y in batches]).tolist() == stripes.train.labels[[5, 0, 3]].tolist()
    expected = feed.normalised(stripes.train.images[[5, 0, 3]])
    assert torch.equal(torch.cat([x for x, _ in batches]), expected)


def test_batches_are_channels_last_in_memory(stripes):
    x = Feed.of(in_colour(stripes), "cpu").example(2)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_grey_images_are_repeated_for_a_network_of_three_channels(stripes):
    x, grey = (Feed.of(stripes, "cpu", c).example(4) for c in (3, None))
    assert x.shape == (4, 3, 8, 8)
    assert all(torch.equal(x[:, [c]], grey) for c in range(3))


def test_colour_is_not_made_grey(stripes):
    with pytest.raises(RegardError, match=r"has 3 channels and the network takes 1"):
        Feed.of(in_colour(stripes), "cpu", 1)


class Constant(nn.Module):
    """Scores that depend on the brightness of the first pixel alone."""

    def forward(self, x):
        return torch.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], 1)


def by_hand(feed, split):
    """Accuracy, mean loss and accuracy by class, in numpy."""
    first = feed.normalised(split.images)[:, 0, 0, 0].double().numpy()
    scores = np.stack([first, -first], 1)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(first)), split.labels]
    right = scores.argmax(1) == split.labels
    return right.mean(), losses.mean(), [right[split.labels == c].mean() for c in (0, 1)]


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_accuracy_and_loss_equal_a_count_by_hand(stripes, batch):
    feed = Feed.of(stripes, "cpu")
    accuracy, loss, by_class = evaluate(Constant(), feed, stripes.train, batch)
    expected = by_hand(feed, stripes.train)
    assert accuracy == expected[0]
    assert loss == pytest.approx(expected[1], rel=1e-5)
    assert list(by_class) == pytest.approx(expected[2])


def test_a_class_without_images_has_no_accuracy(stripes):
    only = stripes.test.take(stripes.test.labels == 0)
    feed = Feed.of(stripes, "cpu")
    accuracy, _, by_class = evaluate(Constant(), feed, only)
    assert by_class[0] == accuracy
    assert math.isnan(by_class[1])


def test_evaluation_is_in_eval_mode_and_without_gradients(stripes):
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    model.register_forward_hook(lambda m, _, y: seen.append((m.training, y.requires_grad)))
    evaluate(model.train(), Feed.of(stripes, "cpu"), stripes.test)
    assert seen == [(False, False)]
