"""Cards for mechanisms made in a test, and two sound ones that the mutants break."""

import math

import pytest
import torch
from torch import nn

from regard.cards import Card
from regard.checks import check
from regard.errors import RegardError

BIBTEX = "@misc{able, title = {Gate}, author = {Able, Ada}, year = {2024}}"


class Gate(nn.Module):
    """A sound channel gate in plain PyTorch; mutants override one method."""

    def __init__(self, channels, *, start="paper", device=None, dtype=None):
        super().__init__()
        if type(channels) is not int or channels < 1:
            raise RegardError(f"channels is {channels!r}; it must be at least 1")
        if start not in ("paper", "identity"):
            raise RegardError(f"start is {start!r}")
        self.channels, self.start = channels, start
        self.hidden = nn.Linear(channels, max(1, channels // 4), device=device, dtype=dtype)
        self.expand = nn.Linear(max(1, channels // 4), channels, device=device, dtype=dtype)
        if start == "identity":
            nn.init.zeros_(self.expand.weight)
            nn.init.zeros_(self.expand.bias)

    def mean(self, x, mask):
        if mask is None:
            return x.mean((2, 3))
        keep = mask.unsqueeze(1).to(x.dtype)
        return x.where(mask.unsqueeze(1), 0.0).sum((2, 3)) / keep.sum((2, 3)).clamp(min=1)

    def gate(self, x, mask):
        gate = torch.sigmoid(self.expand(torch.relu(self.hidden(self.mean(x, mask)))))
        return (2 * gate if self.start == "identity" else gate)[:, :, None, None]

    def forward(self, x, mask=None):
        if x.shape[1] != self.channels:
            raise RegardError(f"built for {self.channels} channels; the input has {x.shape[1]}")
        return x * self.gate(x, mask)


class Attention(nn.Module):
    """A sound attention in plain PyTorch; mutants override one method."""

    def __init__(self, dim, *, device=None, dtype=None):
        super().__init__()
        if type(dim) is not int or dim < 1:
            raise RegardError(f"dim is {dim!r}; it must be at least 1")
        self.dim = dim
        self.weight = nn.Parameter(torch.eye(dim, device=device, dtype=dtype) / dim)

    def allowed(self, scores, mask, causal):
        allowed = torch.ones_like(scores, dtype=torch.bool)
        if mask is not None:
            allowed = allowed & (mask[:, None] if mask.dim() == 2 else mask)
        return allowed.tril() if causal else allowed

    def softmax(self, scores, allowed):
        some = allowed.any(-1, keepdim=True)
        scores = scores.masked_fill(~(allowed | ~some), -math.inf)
        return scores.softmax(-1).masked_fill(~some, 0.0)

    def forward(self, query, key=None, value=None, mask=None, causal=False):
        key = query if key is None else key
        value = key if value is None else value
        if query.shape[-1] != self.dim:
            raise RegardError(f"built for width {self.dim}; the input has {query.shape[-1]}")
        scores = (query @ self.weight) @ key.transpose(1, 2)
        return self.softmax(scores, self.allowed(scores, mask, causal)) @ value


@pytest.fixture(scope="session")
def make_card():
    """A function from a class and some facts to a card."""

    def make(module, **facts):
        on_tokens = issubclass(module, Attention)
        usual = {
            "name": "mutant",
            "title": "Mutant",
            "module": module,
            "takes": "tokens" if on_tokens else "map",
            "family": ("channel",),
            "start": "none" if on_tokens else "gate",
            "paper": "arXiv:2401.00001",
            "year": 2024,
            "authors": "Ada Able",
            "bibtex": BIBTEX,
            "parameters": "C**2" if on_tokens else "2*C*max(1, C//4) + max(1, C//4) + C",
            "complexity": "O(C²)",
        }
        return Card(**{**usual, **facts})

    return make


@pytest.fixture(scope="session")
def gate():
    return Gate


@pytest.fixture(scope="session")
def attention():
    return Attention


@pytest.fixture(scope="session")
def caught(make_card):
    """A function that requires that a rule fails for a class, and that its words say why."""

    def require(rule, module, words, **facts):
        (outcome,) = check(make_card(module, **facts), [rule]).outcomes
        assert outcome.status == "failed"
        assert words in outcome.why

    return require
