import json
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import sdpa_flop_count

from regard.cost import Cost, count_macs, measure, saved_bytes
from regard.cost.macs import attention_flops
from regard.errors import RegardError


class Attend(nn.Module):
    def __init__(self, **options):
        super().__init__()
        self.options = options

    def forward(self, query, key, value):
        return F.scaled_dot_product_attention(query, key, value, **self.options)


class Unhappy(nn.Module):
    def forward(self, x):
        raise KeyError("colour")


def pair(*shapes):
    return tuple(torch.randn(shape) for shape in shapes)


# --- MACs against analytic counts ---


def test_linear_counts_its_matrix_for_every_row():
    assert count_macs(nn.Linear(5, 7), torch.randn(2, 3, 5)) == 2 * 3 * 5 * 7


@pytest.mark.parametrize(
    ("options", "out"),
    [
        ({"padding": 1}, 9),
        ({"stride": 2}, 4),
        ({"groups": 4}, 7),
        ({"dilation": 3}, 3),
        ({"stride": 2, "groups": 2, "padding": 2, "dilation": 2}, 5),
        ({"bias": False}, 7),
    ],
)
def test_convolution_counts_kernel_times_outputs(options, out):
    macs = count_macs(nn.Conv2d(4, 8, 3, **options), torch.randn(2, 4, 9, 9))
    assert macs == 2 * 8 * out * out * (4 // options.get("groups", 1)) * 9


def test_convolutions_of_other_dimensions_and_transposed():
    assert count_macs(nn.Conv1d(4, 6, 3), torch.randn(2, 4, 9)) == 2 * 6 * 7 * 4 * 3
    assert count_macs(nn.Conv3d(2, 3, 2), torch.randn(1, 2, 4, 4, 4)) == 3 * 27 * 2 * 8
    assert count_macs(nn.ConvTranspose2d(4, 6, 3, 2), torch.randn(2, 4, 5, 5)) == 2 * 25 * 4 * 6 * 9


@pytest.mark.parametrize("causal", [False, True])
def test_fused_attention_counts_all_pairs(causal):
    qkv = pair((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 8))
    assert count_macs(Attend(is_causal=causal), qkv) == 2 * 3 * 5 * 7 * (8 + 8)


def test_attention_with_values_of_another_width_and_a_mask():
    qkv = pair((2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4))
    mask = torch.rand(5, 7) > 0.2
    mask[:, 0] = True
    assert count_macs(Attend(attn_mask=mask), qkv) == 2 * 3 * 5 * 7 * (8 + 4)


def test_grouped_heads_count_by_the_heads_of_the_queries():
    qkv = pair((2, 8, 5, 4), (2, 2, 5, 4), (2, 2, 5, 4))
    assert count_macs(Attend(enable_gqa=True), qkv) == 2 * 8 * 5 * 5 * (4 + 4)


def test_own_formula_of_attention_is_the_one_of_pytorch():
    for shapes in (
        [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4)],
        [(2, 8, 5, 4), (2, 2, 6, 4), (2, 2, 6, 4)],
    ):
        assert attention_flops(*shapes, None) == sdpa_flop_count(*shapes)


@pytest.mark.parametrize("need_weights", [False, True])
def test_multihead_attention_in_eval(need_weights):
    class Host(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=need_weights)[0]

    macs = count_macs(Host().eval(), torch.randn(2, 5, 16))
    assert macs == 2 * (4 * 5 * 16 * 16 + 2 * 5 * 5 * 16)


def encoder_layer_macs(batch, tokens, width, hidden):
    projections = 4 * tokens * width * width + 2 * tokens * width * hidden
    return batch * (projections + 2 * tokens * tokens * width)


def test_transformer_encoder_counts_the_same_in_eval_and_train_and_within_no_grad():
    encoder = nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0), 2
    )
    x = torch.randn(2, 5, 16)
    for mode in (True, False):
        with torch.no_grad():
            assert count_macs(encoder.train(mode), x) == 2 * encoder_layer_macs(2, 5, 16, 32)
    with torch.inference_mode():
        assert count_macs(encoder, x) == 2 * encoder_layer_macs(2, 5, 16, 32)


@pytest.mark.parametrize("fast", [True, False])
def test_switch_of_the_fast_path_is_put_back(fast):
    before = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(fast)
        count_macs(nn.Linear(2, 2), torch.randn(1, 2))
        with pytest.raises(RegardError):
            count_macs(nn.Linear(2, 2), torch.randn(1, 3))
        assert torch.backends.mha.get_fastpath_enabled() is fast
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers(cell, gates):
    layers = cell(6, 8, num_layers=2, bidirectional=True, batch_first=True)
    first, second = gates * 8 * (6 + 8), gates * 8 * (16 + 8)
    assert count_macs(layers, torch.randn(3, 5, 6)) == 3 * 5 * 2 * (first + second)


@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_layers_count_their_weight_for_every_row(bias):
    rows = (2, 3)
    found = count_macs(nn.Bilinear(4, 5, 7, bias=bias), pair((*rows, 4), (*rows, 5)))
    assert found == 2 * 3 * 7 * 4 * 5
    assert count_macs(nn.Bilinear(4, 5, 7), pair((4,), (5,))) == 7 * 4 * 5


def test_products_with_one_vector():
    class Scores(nn.Module):
        def forward(self, matrix, vector):
            return matrix @ vector + torch.addmv(vector[:1], matrix, vector) + vector @ vector

    assert count_macs(Scores(), pair((5, 7), (7,))) == 5 * 7 + 5 * 7 + 7


def test_vision_transformer_of_timm():
    timm = pytest.importorskip("timm")
    model = timm.create_model("vit_tiny_patch16_224")
    tokens, width = 196 + 1, 192
    analytic = 196 * width * 16 * 16 * 3 + width * 1000
    analytic += 12 * encoder_layer_macs(1, tokens, width, 4 * width)
    assert count_macs(model, torch.randn(1, 3, 224, 224)) == analytic
    assert round(analytic / 1e9, 4) == 1.2537


@pytest.mark.parametrize(("name", "giga"), [("resnet18", 1.8141), ("resnet50", 4.0892)])
def test_published_macs_of_resnets(name, giga):
    models = pytest.importorskip("torchvision").models
    macs = count_macs(models.get_model(name), torch.randn(1, 3, 224, 224))
    assert round(macs / 1e9, 4) == giga


def test_compiled_model_counts_like_the_plain_one():
    model, x = nn.Linear(4, 4), torch.randn(2, 4)
    compiled = torch.compile(model, backend="eager")
    assert count_macs(compiled, x) == count_macs(model, x) == 2 * 16


# --- bytes saved for backward against hand counts (float32: 4 bytes) ---


def test_linear_saves_its_input():
    assert saved_bytes(nn.Linear(4, 8), torch.randn(3, 4)) == 4 * 12


def test_activation_saved_twice_counts_once():
    chain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    assert saved_bytes(chain, torch.randn(3, 4)) == 4 * (12 + 24)


@pytest.mark.parametrize("inplace", [False, True])
def test_convolution_normalisation_and_relu(inplace):
    layers = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace), nn.Conv2d(4, 1, 1)
    )
    image, map_, statistics = 3 * 2 * 25, 3 * 4 * 25, 2 * 4
    assert saved_bytes(layers, torch.randn(3, 2, 5, 5)) == 4 * (image + map_ + statistics + map_)


def test_input_that_requires_a_gradient_makes_a_product_keep_both_factors():
    class Gate(nn.Module):
        def forward(self, x, gate):
            return x * gate

    x, gate = pair((2, 3, 4), (2, 3, 1))
    assert saved_bytes(Gate(), (x, gate)) == 0
    assert saved_bytes(Gate(), (x, gate.requires_grad_())) == 4 * 24
    assert saved_bytes(Gate(), (x.requires_grad_(), gate)) == 4 * (24 + 6)


def test_view_counts_as_its_whole_storage_and_half_precision_by_half():
    class Part(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self, x):
            return x[:, :1] * self.weight

    assert saved_bytes(Part(), torch.randn(3, 4)) == 4 * 12
    assert saved_bytes(Part().half(), torch.randn(3, 4).half()) == 2 * 12


# --- measure ---


class Host(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(4, 2)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x):
        self.calls += 1
        random.random(), np.random.rand()
        x = torch.relu_(self.norm(self.conv(x)))
        return {"scores": self.head(self.drop(x.mean((2, 3))))}


def found(model):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [m.training for m in model.modules()]
    grads = [None if p.grad is None else p.grad.clone() for p in model.parameters()]
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks)) for m in model.modules()]
    return state, modes, grads, hooks


@pytest.mark.parametrize("fails", [False, True])
def test_model_and_random_state_are_left_as_found(fails):
    model = Host()
    model.norm.eval()
    model.conv.weight.grad = torch.ones_like(model.conv.weight)
    buffers = [id(b) for b in model.buffers()]
    x = torch.randn(2, 4 if fails else 3, 6, 6)
    copy, before, threads = x.clone(), found(model), torch.get_num_threads()
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    if fails:
        with pytest.raises(RegardError, match="Host cannot be run on the example in eval mode"):
            measure(model, x, repeats=1, threads=2)
    else:
        measure(model, x, repeats=1, threads=2)
    after = found(model)
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][k], after[0][k]) for k in before[0])
    assert before[1] == after[1]
    assert before[3] == after[3]
    assert torch.equal(before[2][0], after[2][0])
    assert all(grad is None for grad in after[2][1:])
    assert buffers == [id(b) for b in model.buffers()]
    assert torch.equal(x, copy)
    assert torch.equal(states[0], torch.get_rng_state())
    assert states[1] == random.getstate()
    assert np.array_equal(states[2], np.random.get_state()[1])
    assert torch.get_num_threads() == threads


def test_facts_of_a_cost():
    model = Host()
    model.conv.requires_grad_(False)
    cost = measure(model, torch.randn(2, 3, 6, 6), repeats=4, threads=1)
    assert cost.parameters == 3 * 4 * 9 + 4 + 8 + 10
    assert cost.trainable == 18
    assert cost.macs == 2 * (4 * 16 * 27 + 8)
    assert cost.macs_per_sample == cost.macs / 2
    assert (cost.batch, cost.repeats, cost.threads) == (2, 4, 1)
    assert (cost.model, cost.dtype, cost.device) == ("Host", "float32", "cpu")
    for times in (cost.latency_ms, cost.train_step_ms):
        assert 0 < times.lower <= times.median <= times.upper


def test_shared_parameters_count_once():
    layer = nn.Linear(3, 3)
    assert measure(nn.Sequential(layer, layer), torch.randn(1, 3), latency=False).parameters == 12


def test_lazy_layers_are_counted_after_their_first_call():
    assert measure(nn.LazyLinear(2), torch.randn(1, 3), latency=False).parameters == 8


def test_batch_repeats_the_samples():
    model, x = Host(), torch.randn(3, 3, 6, 6)
    one, seven = (measure(model, x, batch=n, latency=False) for n in (1, 7))
    assert seven.batch == 7
    assert seven.macs == 7 * one.macs
    assert seven.macs_per_sample == one.macs_per_sample


def test_batch_leaves_tensors_without_samples_and_memory_formats_alone():
    seen = []

    class Scaled(nn.Module):
        def forward(self, x, scale, flag):
            seen.append((x.shape, x.is_contiguous(memory_format=torch.channels_last), scale.shape))
            return x * scale if flag else x

    x = torch.randn(2, 3, 4, 4).contiguous(memory_format=torch.channels_last)
    measure(Scaled(), {"x": x, "scale": torch.ones(3, 1, 1), "flag": True}, batch=5, repeats=1)
    assert set(seen) == {((5, 3, 4, 4), True, (3, 1, 1))}


def test_tensor_tuple_and_mapping_measure_the_same():
    x = torch.randn(2, 3, 6, 6)
    costs = [measure(Host(), example, latency=False) for example in (x, (x,), {"x": x})]
    assert costs[0] == costs[1] == costs[2]


def test_module_without_parameters_is_measured_by_the_gradient_of_its_input():
    cost = measure(nn.Sigmoid(), torch.randn(2, 3), repeats=1)
    assert cost.saved_bytes == 4 * 6
    assert cost.train_step_ms is not None


def test_nothing_to_train_has_no_training_step():
    cost = measure(nn.Embedding(5, 2).requires_grad_(False), torch.tensor([[1, 2]]), repeats=1)
    assert cost.train_step_ms is None
    assert cost.latency_ms is not None


def test_without_latency_nothing_is_timed():
    cost = measure(Host(), torch.randn(2, 3, 6, 6), latency=False)
    assert cost.latency_ms is None
    assert cost.train_step_ms is None
    assert cost.repeats == 0


def test_measure_inside_no_grad_and_inference_mode():
    model, x = Host(), torch.randn(2, 3, 6, 6)
    plain = measure(model, x, latency=False)
    with torch.inference_mode():
        assert measure(model, x + 1, latency=False) == plain
    with torch.no_grad():
        assert measure(model, x, latency=False) == plain


def test_model_made_in_inference_mode_cannot_be_trained_and_is_left_as_found():
    with torch.inference_mode():
        model = Host()
    before = found(model)[0]
    with pytest.raises(RegardError, match="cannot be run on the example"):
        measure(model, torch.randn(2, 3, 6, 6))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch": 0}, "batch=0"),
        ({"repeats": 0}, "repeats=0"),
        ({"threads": -1}, "threads=-1"),
    ],
)
def test_numbers_below_one_are_refused(options, message):
    with pytest.raises(RegardError, match=message):
        measure(nn.Linear(2, 2), torch.randn(1, 2), **options)


def test_batch_of_an_example_without_samples_is_refused():
    with pytest.raises(RegardError, match="no tensor with an axis"):
        measure(nn.Identity(), torch.tensor(1.0), batch=2)


def test_error_of_the_model_is_passed_on():
    with pytest.raises(RegardError, match=r"Unhappy cannot be run .* KeyError: 'colour'") as caught:
        measure(Unhappy(), torch.randn(1, 2))
    assert isinstance(caught.value.__cause__, KeyError)


def test_error_of_batch_normalisation_says_what_would_work():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    with pytest.raises(RegardError, match="batch=2 would work"):
        measure(model, torch.randn(1, 1, 3, 3))
    measure(model, torch.randn(1, 1, 3, 3), batch=2, repeats=1)


def test_error_of_the_backward_is_passed_on():
    class Spoilt(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x):
            out = torch.sigmoid(x * self.weight)
            out.mul_(2)
            return out

    with pytest.raises(RegardError, match="the backward of Spoilt fails"):
        measure(Spoilt(), torch.randn(2, 3))


def test_verbs_of_the_result(tmp_path, capsys):
    cost = measure(nn.Linear(1000, 2000), torch.randn(1, 1000), repeats=2)
    assert "2,002,000" in cost.table()
    assert "2 M" in cost.table()
    assert str(cost) == cost.table()
    cost.show()
    assert capsys.readouterr().out == cost.table() + "\n"
    facts = json.loads(cost.json())
    assert facts["macs"] == facts["macs_per_sample"] == 2_000_000
    assert facts["latency_ms"]["median"] == cost.latency_ms.median
    cost.save(tmp_path / "cost.json")
    assert json.loads((tmp_path / "cost.json").read_text()) == facts
    assert "2,002,000" in cost._repr_html_()
    with pytest.raises(AttributeError):
        cost.macs = 1


def test_untimed_result_has_the_verbs_too():
    cost = measure(nn.Identity(), torch.tensor([1, 2]), latency=False)
    assert isinstance(cost, Cost)
    assert json.loads(cost.json())["latency_ms"] is None
    assert "–" in cost.table()
    assert "None" not in cost._repr_html_()
