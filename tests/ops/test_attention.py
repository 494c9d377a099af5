"""attend against PyTorch's fused attention and against loops that know only the paper."""

import math

import pytest
import torch

from regard.errors import RegardError
from regard.ops.attention import attend, attention_weights, logits, reference_attend

SCORES = ("dot", "scaled_dot", "cosine", "bilinear", "additive")
B, HEADS, NQ, NK, D, DV, A = 2, 3, 4, 5, 3, 6, 7


def drawn(*shape, seed=0):
    numbers = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=numbers, dtype=torch.float64)


def learned(score, heads=1, dim=D):
    return {
        "cosine": (drawn(heads, 1, 1, seed=4),),
        "bilinear": (drawn(heads, dim, dim, seed=5),),
        "additive": (
            drawn(heads, dim, A, seed=6),
            drawn(heads, dim, A, seed=7),
            drawn(heads, A, seed=8),
        ),
    }.get(score, ())


def sources(heads=None, queries=NQ, keys=NK):
    lead = (B,) if heads is None else (B, heads)
    return (
        drawn(*lead, queries, D, seed=1),
        drawn(*lead, keys, D, seed=2),
        drawn(*lead, keys, DV, seed=3),
    )


def score_by_hand(score, q, k, learned, head):
    """One query with one key, in Python numbers."""
    q, k = q.tolist(), k.tolist()
    product = sum(a * b for a, b in zip(q, k, strict=True))
    if score == "dot":
        return product
    if score == "scaled_dot":
        return product / math.sqrt(len(q))
    if score == "cosine":
        lengths = math.hypot(*q) * math.hypot(*k)
        return math.exp(min(float(learned[0][head]), math.log(100))) * product / lengths
    if score == "bilinear":
        w = learned[0][head].tolist()
        return sum(q[i] * w[i][j] * k[j] for i in range(len(q)) for j in range(len(k)))
    w, u, v = (p[head].tolist() for p in learned)
    return sum(
        v[a]
        * math.tanh(
            sum(q[i] * w[i][a] for i in range(len(q))) + sum(k[j] * u[j][a] for j in range(len(k)))
        )
        for a in range(len(v))
    )


def weights_by_hand(scores, allowed):
    raised = [math.exp(s) if a else 0.0 for s, a in zip(scores, allowed, strict=True)]
    total = sum(raised)
    return [r / total if total else 0.0 for r in raised]


def by_hand(score, query, key, value, learned, allowed):
    """The output, and the weights, of one batch item and head after another."""
    out, weights = torch.zeros(*query.shape[:-1], DV).double(), torch.zeros(allowed.shape).double()
    for b in range(query.shape[0]):
        for h in range(query.shape[1]):
            for i in range(query.shape[2]):
                scores = [score_by_hand(score, query[b, h, i], k, learned, h) for k in key[b, h]]
                row = weights_by_hand(scores, allowed[b, h, i].tolist())
                weights[b, h, i] = torch.tensor(row, dtype=torch.float64)
                for j, weight in enumerate(row):
                    out[b, h, i] += weight * value[b, h, j]
    return out, weights


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("masked", [False, True])
def test_every_score_by_loops(score, masked):
    inputs, parameters = sources(HEADS), learned(score, HEADS)
    allowed = torch.ones(B, HEADS, NQ, NK, dtype=torch.bool)
    if masked:
        allowed = drawn(B, HEADS, NQ, NK, seed=9) > 0
        allowed[0, 0, 0] = False
    out, weights = by_hand(score, *inputs, parameters, allowed)
    mask = allowed if masked else None
    got = attend(*inputs, score, parameters, mask=mask)
    torch.testing.assert_close(got, out, rtol=1e-9, atol=1e-9)
    got = attention_weights(*inputs[:2], score, parameters, mask=mask)
    torch.testing.assert_close(got, weights, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("score", SCORES)
def test_one_head_is_attention_without_heads(score):
    with_head = attend(*sources(1), score, learned(score))
    without = attend(*(x[:, 0] for x in sources(1)), score, learned(score))
    torch.testing.assert_close(without, with_head[:, 0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("biased", [False, True])
def test_the_function_and_its_definition_are_equal(score, causal, masked, biased):
    inputs, parameters = sources(HEADS), learned(score, HEADS)
    given_ = {
        "mask": drawn(B, NK, seed=12) > 0 if masked else None,
        "bias": drawn(1, HEADS, NQ, NK, seed=13) if biased else None,
        "causal": causal,
    }
    got = attend(*inputs, score, parameters, **given_)
    wanted = reference_attend(*inputs, score, parameters, **given_)
    torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shape", [(), (1,), (NK,), (NQ, NK), (HEADS, 1, NK)])
def test_a_bias_of_fewer_axes_than_the_logits_is_one_for_fused_kernels_too(shape):
    query, key, _ = sources(HEADS)  # values as wide as queries: what fused kernels want
    bias = drawn(*shape, seed=14)
    wanted = (logits(query, key, "scaled_dot") + bias).softmax(-1) @ key
    torch.testing.assert_close(attend(query, key, key, bias=bias), wanted)


@pytest.mark.parametrize("shape", [(NQ, NK), (HEADS, NQ, NK), (B, 1, NQ, NK), (1, HEADS, 1, NK)])
def test_a_bias_is_added_to_the_logits(shape):
    inputs, bias = sources(HEADS), drawn(*shape, seed=14)
    mask = torch.ones(B, NQ, NK, dtype=torch.bool)
    mask[..., -1] = False
    scores = logits(*inputs[:2], "scaled_dot") + bias
    scores = scores.masked_fill(~mask[:, None], -math.inf)
    wanted = scores.softmax(-1) @ inputs[2]
    torch.testing.assert_close(attend(*inputs, bias=bias, mask=mask), wanted)


@pytest.mark.parametrize("score", SCORES)
def test_gradients_equal_finite_differences(score):
    tensors = [x.requires_grad_() for x in (*sources(2), *learned(score, 2))]
    mask = drawn(B, NQ, NK, seed=16) > -0.5
    bias = drawn(NQ, NK, seed=17).requires_grad_()

    def run(bias, query, key, value, *parameters):
        return attend(query, key, value, score, parameters, mask=mask, bias=bias)

    assert torch.autograd.gradcheck(run, (bias, *tensors), fast_mode=True)


def test_the_scale_of_cosine_stops_at_one_hundred():
    query, key, _ = sources(1)
    largest = logits(query, key, "cosine", (torch.full((1, 1, 1), 99.0).double(),))
    assert float(largest.abs().max()) <= 100 + 1e-9
    longer = logits(3 * query, 0.1 * key, "cosine", (torch.full((1, 1, 1), 99.0).double(),))
    torch.testing.assert_close(longer, largest)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_cosine_of_a_query_of_zeros_is_the_mean_of_the_values(dtype):
    key = torch.randn(1, 1, 5, 4).to(dtype)
    scale = torch.full((1, 1, 1), 2.0, dtype=dtype)
    got = attend(torch.zeros(1, 1, 2, 4, dtype=dtype), key, key, "cosine", (scale,))
    wanted = key.mean(2, keepdim=True).expand(1, 1, 2, 4)
    torch.testing.assert_close(got, wanted, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("score", SCORES)
def test_adding_a_constant_to_all_logits_changes_nothing(score):
    inputs, parameters = sources(), learned(score)
    shifted = attend(*inputs, score, parameters, bias=torch.tensor(3.0).double())
    torch.testing.assert_close(shifted, attend(*inputs, score, parameters))


@pytest.mark.parametrize("score", ["scaled_dot", "additive"])
def test_dropout_drops_weights_after_the_softmax_and_keeps_their_mean(score):
    torch.manual_seed(0)
    query, key = drawn(1, 400, D, seed=1), drawn(1, 10, D, seed=2)
    ones = torch.ones(1, 10, 1).double()
    out = attend(query, key, ones, score, learned(score), dropout=0.4)
    kept = out / attend(query, key, ones, score, learned(score))  # rows summed to one before
    assert float(kept.std()) > 0.1
    assert float(kept.mean()) == pytest.approx(1.0, abs=5 * float(kept.std()) / math.sqrt(400))


@pytest.mark.parametrize("score", SCORES)
def test_a_recorder_sees_the_call_and_fx_keeps_one_node(score, calls):
    inputs, parameters = sources(), learned(score)
    with calls:
        wanted = attend(*inputs, score, parameters)
    assert attend in calls.seen
    graph = torch.fx.symbolic_trace(lambda q, k, v: attend(q, k, v, score, parameters))
    assert attend in [n.target for n in graph.graph.nodes]
    torch.testing.assert_close(graph(*inputs), wanted, rtol=0, atol=0)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize(
    ("query", "key", "value"),
    [
        ((2, 5, 3), (2, 4, 3), (2, 3, 3)),
        ((2, 5, 3), (1, 4, 3), (2, 4, 3)),
        ((2, 5, 3), (2, 4, 3), (1, 4, 3)),
        ((1, 5, 3), (2, 4, 3), (2, 4, 3)),
        ((2, 1, 5, 3), (2, 2, 4, 3), (2, 2, 4, 3)),
        ((2, 1, 5, 3), (2, 4, 3), (2, 4, 3)),
    ],
    ids=["lengths", "keys", "values", "queries", "heads", "axes"],
)
def test_sources_that_do_not_fit_are_an_error_with_their_shapes(score, query, key, value):
    given = [drawn(*shape) for shape in (query, key, value)]
    with pytest.raises(RegardError, match=rf"^{score} attention takes .* got queries \(") as raised:
        attend(*given, score, learned(score))
    assert all(str(shape) in str(raised.value) for shape in (query, key, value))


@pytest.mark.parametrize("score", ["dot", "scaled_dot", "cosine"])
def test_a_score_without_weights_needs_one_width(score):
    with pytest.raises(RegardError, match=r"got queries \(2, 5, 3\), keys \(2, 4, 6\)"):
        attend(drawn(2, 5, 3), drawn(2, 4, 6), drawn(2, 4, 3), score, learned(score))


@pytest.mark.parametrize("run", [attend, lambda q, k, _, score: attention_weights(q, k, score)])
def test_an_unknown_score_is_an_error_with_the_nearest(run):
    with pytest.raises(RegardError, match="no score is called 'scaled-dot'; nearest: scaled_dot"):
        run(*sources(), "scaled-dot")


@pytest.mark.parametrize("score", SCORES)
def test_the_checks_are_compiled_away(score):
    inputs, parameters = sources(), learned(score)
    compiled = torch.compile(attend, backend="eager", fullgraph=True)
    torch.testing.assert_close(
        compiled(*inputs, score, parameters), attend(*inputs, score, parameters)
    )


@pytest.mark.parametrize("given", [{}, {"causal": True}, {"masked": True}, {"biased": True}])
def test_without_heads_it_is_exported_with_one(given):
    class Plain(torch.nn.Module):
        def forward(self, x):
            mask = torch.arange(5).expand(2, -1) < 3 if "masked" in given else None
            bias = -torch.arange(5.0).expand(5, 5) if "biased" in given else None
            return attend(x, x, x, mask=mask, bias=bias, causal="causal" in given)

    x = torch.randn(2, 5, 4)
    program = torch.export.export(Plain(), (x,))
    torch.testing.assert_close(program.module()(x), Plain()(x))
    fused = torch.ops.aten.scaled_dot_product_attention.default
    (node,) = (n for n in program.graph.nodes if n.target is fused)
    assert node.args[0].meta["val"].dim() == 4  # ONNX knows no other
