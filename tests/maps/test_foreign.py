"""Models of other libraries, seen without a line for any of them."""

import pytest
import torch
from torch import nn

from regard import RegardError, plug
from regard.maps import Keep, record

timm = pytest.importorskip("timm")
torchvision = pytest.importorskip("torchvision")


@pytest.fixture(autouse=True)
def same_numbers():
    torch.manual_seed(0)


def tensors(out):
    if isinstance(out, torch.Tensor):
        return [out] if out.is_floating_point() else []
    inside = out.values() if isinstance(out, dict) else out if isinstance(out, list | tuple) else []
    return [t for part in inside for t in tensors(part)]


def look(model, *args, keep=None, **kwargs):
    """The maps of one forward, whose outputs must be those of a forward that nobody watches."""
    model.eval()
    with torch.no_grad():
        plain = model(*args, **kwargs)
        with record(model, keep or Keep()) as found:
            seen = model(*args, **kwargs)
    for a, b in zip(tensors(plain), tensors(seen), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    return found


def rows_are_shares(found):
    for m in found:
        assert m.kind == "weights"
        assert (m.values >= 0).all()
        torch.testing.assert_close(m.values.sum(-1), torch.ones(m.values.shape[:-1]))


def pictures(size=32):
    return torch.randn(2, 3, size, size)


def test_timms_vision_transformer_by_hand_from_its_own_projections():
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=2, embed_dim=24, num_heads=3
    )
    kept = {}
    attn = model.blocks[1].attn
    attn.qkv.register_forward_hook(lambda m, a, out: kept.__setitem__("qkv", out))
    found = look(model, pictures())
    rows_are_shares(found)
    assert [m.site for m in found] == ["blocks.0.attn", "blocks.1.attn"]
    q, k, _ = kept["qkv"].reshape(2, 17, 3, 3, 8).permute(2, 0, 3, 1, 4)
    by_hand = torch.softmax(q @ k.transpose(2, 3) / 8**0.5, -1)
    torch.testing.assert_close(found[1].values, by_hand)


@pytest.mark.parametrize("fused", [True, False])
def test_swin_gives_a_map_for_each_window_with_and_without_fused_attention(fused):
    model = timm.create_model(
        "swin_tiny_patch4_window7_224", img_size=32, depths=(2, 1), embed_dim=16,
        num_heads=(2, 4), window_size=4,
    )  # fmt: skip
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = fused
    found = look(model, pictures())
    rows_are_shares(found)
    assert [tuple(m.values.shape) for m in found] == [(8, 2, 16, 16)] * 2 + [(2, 4, 16, 16)]


def test_fused_and_written_out_attention_are_the_same_map():
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, depth=1, embed_dim=24, num_heads=3
    )
    x, maps = pictures(), []
    for fused in (True, False):
        model.blocks[0].attn.fused_attn = fused
        maps.append(look(model, x)[0].values)
    torch.testing.assert_close(*maps)


def test_torchvisions_transformers():
    vit = torchvision.models.VisionTransformer(32, 8, 2, 4, 24, 48)
    found = look(vit, pictures())
    rows_are_shares(found)
    assert [tuple(m.values.shape) for m in found] == [(2, 4, 17, 17)] * 2
    swin = torchvision.models.SwinTransformer([4, 4], 16, [1, 1], [2, 4], [4, 4])
    rows_are_shares(found := look(swin, pictures()))
    assert [m.site for m in found] == ["features.1.0.attn", "features.3.0.attn"]


def test_gates_of_timms_own_networks():
    found = look(timm.create_model("mnasnet_small"), pictures())
    assert found
    assert {m.form for m in found} == {"channel gate"}
    found = look(timm.create_model("skresnet18"), pictures())
    assert {m.form for m in found} == {"branch weights"}
    for m in found:
        torch.testing.assert_close(m.values.sum(1), torch.ones_like(m.values.sum(1)))


def test_a_gate_written_by_somebody_else_is_what_the_map_was_multiplied_by():
    class Gate(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            gate = torch.sigmoid(self.fc(x.mean((2, 3))))[:, :, None, None]
            return x * gate.expand_as(x)

    x = torch.randn(2, 4, 5, 5)
    (found,) = look(model := Gate(), x)
    assert (found.form, found.over) == ("channel gate", "channels")
    torch.testing.assert_close(x * found.values, model(x))


def test_swish_and_gated_linear_units_are_no_attention():
    class Gated(nn.Module):
        def forward(self, x):
            return x * torch.sigmoid(x) + nn.functional.glu(torch.cat((x, x), 1), 1)

    assert look(Gated(), torch.randn(2, 4, 5, 5)) == []


def test_a_resnet_with_plugged_gates():
    model, x = torchvision.models.resnet18(num_classes=3), pictures()
    plug(model, "coordinate", "layer[12].0.bn2", example=x, start="paper")
    found = look(model, x)
    assert {m.form for m in found} == {"coordinate gate"}
    assert {m.over for m in found} == {"height", "width"}
    assert all(m.site.startswith("layer") for m in found)


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("weights", [False, True])
def test_multi_head_attention_whether_or_not_its_caller_wants_weights(weights, gradients):
    attention, x = nn.MultiheadAttention(8, 2, batch_first=True).eval(), torch.randn(3, 5, 8)
    wanted = attention(x, x, x, average_attn_weights=False)[1]
    with torch.set_grad_enabled(gradients), record(attention) as found:
        attention(x, x, x, need_weights=weights)
    (seen,) = found
    torch.testing.assert_close(seen.values, wanted.detach())


@pytest.mark.parametrize("padded", [False, True])
def test_an_encoder_whose_fused_path_would_be_taken(padded):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2)
    padding = torch.tensor([[False] * 3 + [True] * 2, [False] * 5])
    options = {"src_key_padding_mask": padding} if padded else {}
    found = look(encoder, torch.randn(2, 5, 8), **options)
    rows_are_shares(found)
    assert [m.site for m in found] == ["layers.0.self_attn", "layers.1.self_attn"]
    assert padded == (not found[0].values[0, ..., 3:].any())


def test_a_transformer_has_three_kinds_of_attention():
    model = nn.Transformer(8, 2, 1, 1, 16, batch_first=True)
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    found = look(model, torch.randn(2, 5, 8), torch.randn(2, 3, 8), tgt_mask=mask)
    rows_are_shares(found)
    assert [tuple(m.values.shape[2:]) for m in found] == [(5, 5), (3, 3), (3, 5)]
    assert not found[1].values.triu(1).any()


def test_head_mixing_and_dropout_between_softmax_and_values():
    class Mixing(nn.Module):
        def __init__(self):
            super().__init__()
            self.mix = nn.Linear(2, 2)

        def forward(self, q, v):
            weights = (q @ q.transpose(-2, -1)).softmax(-1)
            weights = self.mix(weights.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            return nn.functional.dropout(weights, 0.5) @ v

    q, v = torch.randn(1, 2, 4, 3), torch.randn(1, 2, 4, 3)
    model = Mixing()
    with record(model) as found:
        model(q, v)
    plain = torch.softmax(q @ q.transpose(-2, -1), -1).permute(0, 2, 3, 1)
    torch.testing.assert_close(found[0].values, model.mix(plain).permute(0, 3, 1, 2).detach())


@pytest.mark.parametrize(
    "equation", ["bhqk,bhkd->bhqd", "...qk,...kd->...qd", "bhqk, bhkd -> bqhd"]
)
def test_einsum(equation):
    class Product(nn.Module):
        def forward(self, scores, v):
            return torch.einsum(equation, scores.softmax(-1), v)

    scores, v = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 5, 6)
    found = look(Product(), scores, v)
    assert [m.kind for m in found] == ["weights"]
    torch.testing.assert_close(found[0].values, scores.softmax(-1))


def test_values_on_the_left():
    class Left(nn.Module):
        def forward(self, scores, v):
            return v @ scores.softmax(-1).transpose(1, 2)

    scores = torch.randn(2, 4, 5)
    (found,) = look(Left(), scores, torch.randn(2, 6, 5))
    torch.testing.assert_close(found.values, scores.softmax(-1))


def test_torchvisions_deformable_convolution_without_offsets_samples_its_own_window():
    class Deform(nn.Module):
        def forward(self, x, offset, weight):
            return torchvision.ops.deform_conv2d(x, offset, weight, padding=1)

    x = torch.randn(1, 2, 5, 6)
    (found,) = look(Deform(), x, torch.zeros(1, 18, 5, 6), torch.randn(3, 2, 3, 3))
    assert (found.kind, found.frame) == ("points", (5, 6))
    assert found.values.shape == (1, 1, 9, 5, 6, 2)
    assert found.values[0, 0, 4, 2, 3].tolist() == [3, 2]
    assert found.values[0, 0, 0, 2, 3].tolist() == [2, 1]


@pytest.mark.parametrize("align", [False, True])
def test_pytorchs_own_spatial_transformer(align):
    class Warp(nn.Module):
        def forward(self, x, theta):
            grid = nn.functional.affine_grid(theta, x.shape, align_corners=align)
            return nn.functional.grid_sample(x, grid, align_corners=align)

    x, theta = torch.randn(1, 1, 4, 6), torch.eye(2, 3)[None]
    found = look(Warp(), x, theta)
    assert [m.kind for m in found] == ["theta", "points", "sampled"]
    column, row = torch.meshgrid(torch.arange(6.0), torch.arange(4.0), indexing="xy")
    torch.testing.assert_close(found[1].values[0], torch.stack((column, row), -1))
    torch.testing.assert_close(found[2].values, x)


def test_compiled_and_scripted_models_are_refused_with_what_to_do():
    plain = nn.Linear(2, 2)
    compiled = torch.compile(plain)
    with pytest.raises(RegardError, match="_orig_mod"), record(compiled):
        pass
    inside = nn.Sequential(nn.Linear(2, 2))
    inside[0].compile()
    with pytest.raises(RegardError, match="0 is compiled"), record(inside):
        pass


def test_a_function_that_a_model_compiles_for_itself_runs_plainly_and_is_seen():
    @torch.compile(backend="eager")
    def attention(q):
        return nn.functional.scaled_dot_product_attention(q, q, q)

    class Model(nn.Module):
        def forward(self, q):
            return attention(q)

    rows_are_shares(found := look(Model(), torch.randn(1, 2, 4, 3)))
    assert len(found) == 1
