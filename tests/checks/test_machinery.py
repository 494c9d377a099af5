"""Gates that break in training, low precision, files or graphs: each is caught by its rule."""

import torch
import torch.nn.functional as F
from torch import nn


def test_gradient_cut(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            return super().gate(x.detach(), mask)

    caught("gradcheck", Broken, "Jacobian mismatch")


def test_weight_read_as_data(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            logits = F.linear(self.hidden(self.mean(x, mask)), self.expand.weight.data)
            return torch.sigmoid(logits + self.expand.bias)[:, :, None, None]

    caught("gradients", Broken, "no gradient reaches expand.weight")


def test_a_normalisation_over_one_hidden_unit_is_a_constant(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            hidden = self.hidden(self.mean(x, mask))
            logits = self.expand(F.layer_norm(hidden, hidden.shape[1:]))
            return torch.sigmoid(logits + self.mean(x, mask))[:, :, None, None]

    caught("gradients", Broken, "at size 1 no gradient reaches hidden.weight")


def test_output_kept_for_backward(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return torch.tanh(super().forward(x))

    caught("writable", Broken, "inplace operation")


def test_input_itself_as_output(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return x if self.start == "identity" else super().forward(x)

    caught("writable", Broken, "shares memory")


def test_pooling_that_a_gpu_cannot_repeat(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return F.adaptive_max_pool2d(x, 1).flatten(1)

    caught("deterministic", Broken, "AdaptiveMaxPool2D")


def test_gate_of_few_digits(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            exact = super().gate(x, mask)
            return exact if x.dtype == torch.float64 else (exact * 16).round() / 16

    caught("precision", Broken, "the plain form allows")


def test_sum_of_squares_in_half(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return (x * x).sum((2, 3)) / x[0, 0].numel()

    caught("finite", Broken, "numbers of 100 in torch.float16")


def test_root_without_room(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return (x * x).mean((2, 3)).sqrt()

    caught("finite", Broken, "gradients for zeros")


def test_one_dtype_for_all(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            gate = super().gate(x, mask)
            return torch.lerp(torch.zeros_like(gate, dtype=x.dtype), gate, 1.0)

    caught("autocast", Broken, "RuntimeError")


def test_layers_in_a_plain_list(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            super().__init__(channels)
            self.hidden_layers = [nn.Linear(channels, channels)]

    caught("registered", Broken, "hidden_layers")


def test_tensor_in_a_plain_attribute(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            super().__init__(channels)
            self.scale = torch.ones(channels)

    caught("registered", Broken, "scale")


def test_device_forgotten(caught, gate):
    class Broken(gate):
        def __init__(self, channels, *, device=None, dtype=None):
            super().__init__(channels, device=device, dtype=dtype)
            self.expand = nn.Linear(channels // 4, channels)

    caught("registered", Broken, "device='meta' makes expand.weight on cpu")


def test_buffer_that_is_not_saved(caught, gate):
    class Broken(gate):
        def __init__(self, channels):
            super().__init__(channels)
            self.register_buffer("running_mean", torch.zeros(channels), persistent=False)

        def mean(self, x, mask):
            return super().mean(x, mask) - self.running_mean

    caught("state_dict", Broken, "computes something else")


def test_gate_kept_with_its_graph(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            self.last = super().gate(x, mask)
            return self.last

    caught("copy", Broken, "deepcopy protocol")


def test_branch_on_the_data(caught, gate):
    class Broken(gate):
        def forward(self, x, mask=None):
            return super().forward(x) if x.sum() > 0 else super().forward(-x)

    caught("compile", Broken, "Data-dependent branching")


def test_size_read_as_a_number(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return F.avg_pool2d(x, (int(x.shape[2]), int(x.shape[3]))).flatten(1)

    caught("export", Broken, "Constraints violated")


def test_mask_read_as_data(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return super().mean(x, None if mask is None or bool(mask.all()) else mask)

    caught("compile", Broken, "data-dependent expression")


def test_mask_counted_as_a_number(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return x.mean((2, 3)) if mask is None else x.flatten(2)[:, :, : len(mask)].mean(2)

    caught("export", Broken, "")


def test_a_shortcut_without_gradients(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            return super().gate(x if torch.is_grad_enabled() else x[..., :1], mask)

    caught("inference", Broken, "under no_grad")


def test_a_shortcut_for_frozen_parameters_in_single_precision(caught, gate):
    class Broken(gate):
        def gate(self, x, mask):
            gate = super().gate(x, mask)
            fast = x.dtype == torch.float32 and not self.expand.weight.requires_grad
            return (gate * 1024).round() / 1024 if fast else gate

    caught("inference", Broken, "it errs by")


def test_branch_on_the_shape(caught, gate):
    caught("fx", gate, "regard.ops.expect")


def test_mask_not_read(caught, gate):
    class Broken(gate):
        def mean(self, x, mask):
            return x.mean((2, 3))

    caught("padding", Broken, "padding moves the outputs")
