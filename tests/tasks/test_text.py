import numpy as np
import pytest
import torch
import torch.nn.functional as F

from regard.tasks import Network
from regard.tasks.text import IGNORED

TASKS = ["pairs", "tags", "texts"]


@pytest.fixture(params=TASKS)
def task(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def model(task):
    name = {"translation": "gru", "tagging": "bigru", "classification": "convolution"}[task.kind]
    torch.manual_seed(0)
    return task.build(Network(name=name, options={"dropout": 0.0})).eval()


def test_an_epoch_has_every_row_once_and_is_drawn_from_seed_and_epoch(task):
    orders = [task.order(7, seed=s, epoch=e) for s, e in ((3, 1), (3, 1), (3, 2), (4, 1))]
    for order in orders:
        assert sorted(np.concatenate(order).tolist()) == list(range(48))
        assert len(order) == 7
    flat = [np.concatenate(order).tolist() for order in orders]
    assert flat[0] == flat[1]
    assert flat[0] not in flat[2:]


def test_the_loss_of_a_batch_is_the_mean_over_its_items_each_alone(task, model):
    rows = np.array([0, 5, 9, 30])
    whole = task.loss(model, task.batch(rows))
    alone = [task.loss(model, task.batch(rows[i : i + 1])) for i in range(4)]
    assert whole.items == sum(one.items for one in alone)
    assert whole.right == sum(one.right for one in alone)
    total = sum(float(one.mean.detach()) * one.items for one in alone)
    assert float(whole.mean.detach()) == pytest.approx(total / whole.items, rel=1e-4)


def test_evaluation_counts_what_training_counts(task, model):
    rows = np.arange(48)
    inputs, targets = task.batch(rows)
    logits = model(*inputs)
    real = targets != IGNORED
    found = task.evaluate(model, "train")
    right = (logits.argmax(-1) == targets)[real].float().mean()
    loss = F.cross_entropy(logits[real], targets[real])
    assert found.measures["accuracy"] == pytest.approx(float(right))
    assert found.loss == pytest.approx(float(loss.detach()), rel=1e-4)


def test_evaluation_changes_nothing_and_comes_out_the_same(task, model):
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first = task.evaluate(model.train(), "test")
    assert task.evaluate(model, "test") == first
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_an_example_is_of_median_length(task):
    lengths = task.encoded["train"].inputs.lengths
    (ids, *_) = task.example(5)
    assert len(ids) == 5
    assert ids.shape[1] >= np.median(lengths) >= int((ids != 0).sum(1).min())


def test_a_right_answer_more_is_one_step_of_the_measure(task, model):
    share = task.evaluate(model, "test").measures[task.measure]
    assert share * task.answers == pytest.approx(round(share * task.answers))


def test_facts_name_all_that_decides_a_training(task):
    facts = task.facts()
    assert facts["kind"] == task.kind
    assert facts["dim"] == 16
    prints = {side: v.fingerprint for side, v in task.codec.vocabularies.items()}
    assert facts["vocabularies"] == prints
