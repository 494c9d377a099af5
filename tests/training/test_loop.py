import dataclasses
import math

import numpy as np
import pytest
import torch
from torch import nn

from regard.data import load_images
from regard.errors import RegardError
from regard.networks import SmallResNet
from regard.training import Budget, train

BUDGET = Budget(epochs=3, batch=8)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.state_dict().values()]).tolist()


def test_one_seed_gives_one_run(stripes, make_net):
    nets = [make_net() for _ in range(3)]
    runs = [
        train(net, stripes, BUDGET, seed=seed) for net, seed in zip(nets, (7, 7, 8), strict=True)
    ]
    assert runs[0] == runs[1]
    assert weights(nets[0]) == weights(nets[1])
    assert weights(nets[0]) != weights(nets[2])


def test_a_run_neither_reads_nor_changes_the_global_random_state(stripes, make_net):
    first = train(make_net(), stripes, BUDGET)
    net = make_net()
    torch.manual_seed(123)
    np.random.seed(123)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert train(net, stripes, BUDGET) == first
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])


def inputs_of(net, stripes, seed=0):
    """Every training batch that reaches a network."""
    seen = []
    net.register_forward_pre_hook(
        lambda m, args: seen.append(args[0].clone()) if m.training else None
    )
    train(net, stripes, BUDGET, seed=seed)
    return seen


def test_one_seed_shows_all_networks_the_same_images_in_the_same_order(stripes, make_net):
    dropping = inputs_of(make_net(), stripes)
    other = inputs_of(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), stripes)
    assert len(dropping) == len(other) == 9
    assert all(torch.equal(a, b) for a, b in zip(dropping, other, strict=True))
    assert not torch.equal(torch.cat(other[:3]), torch.cat(other[3:6]))
    assert not torch.equal(other[0], inputs_of(make_net(), stripes, seed=1)[0])


class Stopped(Exception):
    pass


@pytest.mark.parametrize("stops", [(1,), (2,), (3,), (1, 2, 3)])
def test_a_run_that_was_stopped_goes_on_to_the_same_bits(tmp_path, stripes, make_net, stops):
    straight, net = make_net(), make_net()
    expected = train(straight, stripes, BUDGET, seed=5)
    for stop in stops:

        def interrupt(epochs, stop=stop):
            if len(epochs) == stop:
                raise Stopped

        with pytest.raises(Stopped):
            train(make_net(), stripes, BUDGET, seed=5, folder=tmp_path, on_epoch=interrupt)
    torch.manual_seed(99)
    assert train(net, stripes, BUDGET, seed=5, folder=tmp_path) == expected
    assert weights(net) == weights(straight)


def test_callers_hear_of_each_epoch_with_all_before(tmp_path, stripes, make_net):
    heard = []
    run = train(make_net(), stripes, BUDGET, on_epoch=lambda epochs: heard.append(len(epochs)))
    assert heard == [1, 2, 3]
    assert [e["epoch"] for e in run.epochs] == [1, 2, 3]


def test_stripes_are_learned(stripes, make_net):
    run = train(make_net(), stripes, Budget(epochs=20, batch=8, rate=0.02))
    assert run.epochs[-1]["loss"] < run.epochs[0]["loss"]
    assert run.accuracy > 0.9
    assert run.accuracy == run.epochs[-1]["accuracy"]
    assert run.accuracy == pytest.approx(np.mean(run.by_class))


def test_the_result_is_of_the_last_epoch_on_test_and_the_curve_on_validation(stripes, make_net):
    always_wrong = dataclasses.replace(stripes.test, labels=1 - stripes.test.labels)
    held = dataclasses.replace(stripes, validation=always_wrong, fingerprint="")
    plain = train(make_net(), stripes, BUDGET)
    run = train(make_net(), held, BUDGET)
    assert (run.accuracy, run.loss) == (plain.accuracy, plain.loss)
    assert run.epochs[-1]["accuracy"] == pytest.approx(1 - plain.accuracy)


def test_a_single_step_trains(stripes, make_net):
    net = make_net()
    before = weights(net[7])
    train(net, stripes, Budget(epochs=1, batch=64))
    assert weights(net[7]) != before


def test_a_last_batch_of_one_image_is_left_out(tmp_path, write_stripes):
    images = load_images(write_stripes(tmp_path, train=9))
    seen = []
    net = SmallResNet(2, 1)  # 1×1 maps at the end: batch normalisation refuses a single image
    net.register_forward_pre_hook(lambda m, a: seen.append(len(a[0])) if m.training else None)
    run = train(net, images, Budget(epochs=2, batch=4))
    assert seen == [4, 4, 4, 4]
    assert all(0 <= e["train_accuracy"] <= 1 for e in run.epochs)


def test_one_image_a_step_is_explained(stripes):
    with pytest.raises(RegardError, match="batch 2 or more would work"):
        train(SmallResNet(2, 1), stripes, Budget(epochs=1, batch=1))


def test_a_loss_that_is_not_finite_names_the_epoch_and_a_remedy(stripes, make_net):
    with pytest.raises(RegardError, match=r"in epoch [12]; a learning rate below 1e\+30 may work"):
        train(make_net(), stripes, Budget(epochs=2, batch=8, rate=1e30))


def test_a_test_loss_that_is_not_finite_is_no_result(stripes):
    class Exploding(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1)) * (1.0 if self.training else math.inf)

    with pytest.raises(RegardError, match="on the test part is not finite"):
        train(Exploding(64, 2), stripes, BUDGET)


def test_an_output_that_does_not_fit_the_classes_is_said_before_training(stripes, make_net):
    with pytest.raises(RegardError, match=r"does not fit the 2 classes.*\[2, 5\]"):
        train(make_net(classes=5), stripes, BUDGET)


def test_grey_images_train_a_network_of_three_channels(stripes, make_net):
    run = train(make_net(channels=3), stripes, BUDGET, channels=3)
    assert len(run.epochs) == 3


def test_a_folder_that_is_not_there_is_an_error(tmp_path, stripes, make_net):
    with pytest.raises(RegardError, match="cannot be written"):
        train(make_net(), stripes, BUDGET, folder=tmp_path / "nowhere")


def test_a_clip_changes_only_gradients_that_are_longer(stripes, make_net):
    nets = [make_net() for _ in range(3)]
    for net, clip in zip(nets, (0.0, 1e9, 1e-4), strict=True):
        train(net, stripes, dataclasses.replace(BUDGET, clip=clip))
    assert weights(nets[0]) == weights(nets[1])
    assert weights(nets[0]) != weights(nets[2])
