import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from regard.data import Images, Split
from regard.errors import RegardError
from regard.tasks import ImageTask, Network


def in_colour(images: Images) -> Images:
    splits = {
        role: Split(np.repeat(split.images, 3, 1), split.labels)
        for role, split in images.splits().items()
    }
    return dataclasses.replace(images, **splits, fingerprint="")


def test_training_images_are_normalised_by_their_own_mean_and_deviation(stripes):
    task = ImageTask.of(stripes)
    x = torch.cat([x for (x,), _ in task.batches(stripes.train, 7)])
    assert float(x.mean()) == pytest.approx(0, abs=1e-5)
    assert float(x.std(unbiased=False)) == pytest.approx(1, abs=1e-5)
    mean, std = (torch.tensor(v).view(-1, 1, 1) for v in (task.codec.mean, task.codec.std))
    back = (x * std + mean) * 255
    assert np.array_equal(back.round().numpy().astype(np.uint8), stripes.train.images)


def test_each_image_comes_once_with_its_label(stripes):
    task = ImageTask.of(stripes)
    batches = list(task.batches(stripes.test, 3))
    assert [len(labels) for _, labels in batches] == [3, 3, 2]
    assert torch.cat([labels for _, labels in batches]).tolist() == stripes.test.labels.tolist()
    whole = task.normalised(stripes.test.images)
    assert torch.equal(torch.cat([x for (x,), _ in batches]), whole)


def test_rows_choose_the_images_of_a_batch(stripes):
    task = ImageTask.of(stripes)
    rows = np.array([5, 0, 3])
    (x,), labels = task.batch(rows)
    assert labels.tolist() == stripes.train.labels[rows].tolist()
    assert torch.equal(x, task.normalised(stripes.train.images[rows]))


def test_an_epoch_has_every_image_once_in_an_order_of_seed_and_epoch(stripes):
    task = ImageTask.of(stripes)
    orders = [
        np.concatenate(task.order(7, seed=seed, epoch=epoch))
        for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert all(sorted(order) == list(range(24)) for order in orders)
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], orders[3])
    assert [len(rows) for rows in task.order(7, seed=0, epoch=0)] == [7, 7, 7, 3]


def test_a_network_is_built_for_the_classes_and_the_size(stripes):
    task = ImageTask.of(stripes, channels=3)
    model = task.build(Network(name="small", width=0.5))
    task.check(model)
    assert model(task.example(4)).shape == (4, 2)
    assert task.facts() == {"kind": "images", "classes": 2, "channels": 3, "size": 8}


def test_batches_are_channels_last_in_memory(stripes):
    x = ImageTask.of(in_colour(stripes)).example(2)
    assert x.is_contiguous(memory_format=torch.channels_last)


def test_grey_images_are_repeated_for_a_network_of_three_channels(stripes):
    x, grey = (ImageTask.of(stripes, "cpu", c).example(4) for c in (3, None))
    assert x.shape == (4, 3, 8, 8)
    assert all(torch.equal(x[:, [c]], grey) for c in range(3))


def test_colour_is_not_made_grey(stripes):
    with pytest.raises(RegardError, match=r"has 3 channels and the network takes 1"):
        ImageTask.of(in_colour(stripes), "cpu", 1)


class Constant(nn.Module):
    """Scores that depend on the brightness of the first pixel alone."""

    def forward(self, x):
        return torch.stack([x[:, 0, 0, 0], -x[:, 0, 0, 0]], 1)


def by_hand(task, split):
    """Accuracy, mean loss and accuracy by class, in numpy."""
    first = task.normalised(split.images)[:, 0, 0, 0].double().numpy()
    scores = np.stack([first, -first], 1)
    losses = np.log(np.exp(scores).sum(1)) - scores[np.arange(len(first)), split.labels]
    right = scores.argmax(1) == split.labels
    return right.mean(), losses.mean(), [right[split.labels == c].mean() for c in (0, 1)]


@pytest.mark.parametrize("batch", [1, 3, 256])
def test_accuracy_and_loss_equal_a_count_by_hand(stripes, batch):
    task = ImageTask.of(stripes)
    found = task.score(Constant(), stripes.train, batch)
    expected = by_hand(task, stripes.train)
    assert found.measures == {"accuracy": expected[0]}
    assert found.loss == pytest.approx(expected[1], rel=1e-5)
    assert found.parts["by_class"] == pytest.approx(expected[2])


def test_a_class_without_images_has_no_accuracy(stripes):
    only = stripes.test.take(stripes.test.labels == 0)
    task = ImageTask.of(stripes)
    found = task.score(Constant(), only)
    assert found.parts["by_class"] == [found.measures["accuracy"], None]


def test_evaluation_is_in_eval_mode_and_without_gradients(stripes):
    seen = []
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    model.register_forward_hook(lambda m, _, y: seen.append((m.training, y.requires_grad)))
    ImageTask.of(stripes).evaluate(model.train(), "test")
    assert seen == [(False, False)]
