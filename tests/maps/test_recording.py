import pytest
import torch
import torch.nn.functional as F
from torch import nn

from regard import get, plug
from regard.maps import coverage, record
from regard.networks import SmallResNet


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def maps_of(model, *args, **kwargs):
    with record(model) as found:
        model(*args, **kwargs)
    return found


def test_the_gates_of_a_model_are_seen_where_they_act():
    model, x = SmallResNet(3, 1).eval(), torch.randn(2, 1, 16, 16)
    handle = plug(model, "cbam", ["layer1.*.bn2", "layer3.*.bn2"], example=x, start="paper")
    seen = {}
    for name, module in handle.mechanisms().items():
        module.register_forward_hook(
            lambda m, args, out, name=name: seen.__setitem__(name, (args[0], out))
        )
    found = maps_of(model, x)
    assert [m.kind for m in found] == ["gate"] * 4
    for name, (given, out) in seen.items():
        mine = [m for m in found if m.site.startswith(f"{name}.regard")]
        channel, space = (m.values for m in mine)
        assert channel.shape == (2, given.shape[1], 1, 1)
        assert space.shape == (2, 1, *given.shape[2:])
        torch.testing.assert_close(given * channel * space, out)


def test_a_short_gate_gets_the_axes_of_its_map():
    found = maps_of(get("se", 8), torch.randn(2, 8, 5, 4))
    assert [m.values.shape for m in found] == [(2, 8, 1, 1)]
    found = maps_of(get("se", 8), torch.randn(2, 8, 5))
    assert [m.values.shape for m in found] == [(2, 8, 1)]


def test_the_warp_of_a_spatial_transformer_is_seen_with_its_frame():
    stn = get("spatial_transformer", 1)
    nn.init.normal_(stn.shift.weight)
    x = torch.randn(3, 1, 12, 10)
    (found,) = maps_of(nn.Sequential(stn), x)
    assert (found.site, found.kind, found.frame) == ("0", "theta", (12, 10))
    assert torch.equal(found.values, stn.theta(x))


@pytest.mark.parametrize("score", ["scaled_dot", "cosine", "additive"])
@pytest.mark.parametrize("causal", [False, True])
def test_weights_sum_to_one_and_explain_the_output(score, causal):
    attention = get(score, 6).eval()
    query, key, value = (torch.randn(2, n, 6) for n in (5, 7, 7))
    if causal:
        query = torch.randn(2, 7, 6)
    with record(attention) as found:
        out = attention(query, key, value, causal=causal)
    (weights,) = (m.values for m in found)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    torch.testing.assert_close(weights @ value, out)
    if causal:
        assert not weights.triu(1).any()


def test_masked_keys_get_no_weight():
    mask = torch.tensor([[True, True, False]])
    (found,) = maps_of(get("multihead", 8, heads=2).eval(), torch.randn(1, 3, 8), mask=mask)
    assert found.values.shape == (1, 2, 3, 3)
    assert not found.values[..., 2].any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.rand(4, 6) > 0.3},
        {"attn_mask": torch.randn(4, 6)},
        {"enable_gqa": True},
    ],
    ids=lambda options: "+".join(options) or "plain",
)
def test_pytorchs_own_attention_is_seen(options):
    keys = 4 if "is_causal" in options else 6
    heads = 2 if "enable_gqa" in options else 4
    query, key, value = torch.randn(2, 4, 4, 8), *torch.randn(2, 2, heads, keys, 8)
    if "attn_mask" in options and options["attn_mask"].dtype == torch.bool:
        options["attn_mask"][:, 0] = True

    class Model(nn.Module):
        def forward(self):
            return F.scaled_dot_product_attention(query, key, value, **options)

    with record(model := Model()) as found:
        out = model()
    (weights,) = (m.values for m in found)
    value = value.repeat_interleave(4 // heads, 1)
    torch.testing.assert_close(weights @ value, out)


def test_nothing_changes_by_looking():
    model, x = SmallResNet(3, 1), torch.randn(4, 1, 16, 16)
    plug(model, "cbam", "layer1.*.bn2", example=x, start="paper")
    plug(model, "multihead", "layer3", example=x, start="paper", mask=False)
    model.eval()
    plain = model(x)
    with record(model) as found:
        seen = model(x)
    assert torch.equal(seen, plain)
    assert len(found) == 3
    model(x)
    assert len(found) == 3
    assert not any(m.values.requires_grad for m in found)


def test_gradients_flow_while_looking():
    module, x = get("se", 8), torch.randn(2, 8, 4, 4, requires_grad=True)
    with record(module):
        module(x).sum().backward()
    seen = x.grad.clone()
    x.grad = None
    module(x).sum().backward()
    assert torch.equal(seen, x.grad)


def test_what_was_seen_does_not_change_afterwards():
    class Overwriting(nn.Module):
        def forward(self, x):
            from regard.ops import modulate

            gate = torch.ones(2, 3, 1, 1)
            out = modulate(x, gate)
            gate.zero_()
            return out

    (found,) = maps_of(Overwriting(), torch.randn(2, 3, 4, 4))
    assert bool((found.values == 1).all())


def test_after_an_error_no_hook_stays_and_names_are_right():
    class Failing(nn.Module):
        def forward(self, x):
            raise KeyError

    model = nn.ModuleDict({"bad": Failing(), "se": get("se", 8)})
    x = torch.randn(2, 8, 4, 4)
    with record(model) as found:
        with pytest.raises(KeyError):
            model["bad"](x)
        model["se"](x)
    assert [m.site for m in found] == ["se"]
    before = torch.nn.modules.module._global_forward_hooks
    assert not before


def test_coverage_of_known_warps():
    eye = torch.eye(2, 3)[None]
    area, inside = coverage(eye, (8, 8))
    assert area == pytest.approx(1)
    assert inside == 1.0
    half = eye * torch.tensor([[0.5, 1, 1], [1, 0.5, 1]])
    assert coverage(half, (8, 8)) == (pytest.approx(0.25), 1.0)
    away = eye + torch.tensor([[0, 0, 1.0], [0, 0, 0]])
    area, inside = coverage(away, (9, 9))
    assert area == pytest.approx(1)
    assert inside == pytest.approx(5 / 9)  # of nine columns those up to the middle stay inside
    flipped = eye * torch.tensor([[-1.0, 1, 1], [1, 1, 1]])
    assert coverage(flipped, (8, 8)) == (pytest.approx(1), 1.0)
    assert coverage(torch.cat([eye, away]), (9, 9))[1] == pytest.approx((1 + 5 / 9) / 2)
