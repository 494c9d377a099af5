"""The model-randomisation test: does a heat depend on what the model has learned?

Adebayo et al., Sanity Checks for Saliency Maps (arXiv:1810.03292), section 3: weights are
randomised from the output on, stage by stage; a heat that stays alike shows the input, not the
model. A weight is randomised by shuffling its entries, which keeps how they are spread.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn

from .heat import rank_correlation

SOURCE = "arXiv:1810.03292"


def shuffled_correlations(
    model: nn.Module, explain: Callable[[nn.Module], Tensor], stages: int = 3, draws: int = 3
) -> tuple[float, ...]:
    """Rank correlations between a heat and those of ever more randomised copies of its model.

    Args:
        model: stays as it is.
        explain: from a model to the values of a heat.
        stages: after the first the last part of the parameters is shuffled, after the last all.
        draws: copies; smooth maps agree or disagree by chance, so the mean over them counts.

    Returns:
        Spearman's, one a stage; zero where a heat is constant.
    """
    wanted = explain(model)
    runs = [_one_draw(model, explain, wanted, range(1, stages + 1), seed) for seed in range(draws)]
    return tuple(sum(stage) / draws for stage in zip(*runs, strict=True))


def _one_draw(
    model: nn.Module,
    explain: Callable[[nn.Module], Tensor],
    wanted: Tensor,
    stages: range,
    seed: int,
) -> list[float]:
    copy = deepcopy(model)
    parameters = list(copy.parameters())[::-1]
    numbers = torch.Generator().manual_seed(seed)
    found, done = [], 0
    for stage in stages:
        until = len(parameters) * stage // len(stages)
        for parameter in parameters[done:until]:
            _shuffle(parameter, numbers)
        done = until
        found.append(rank_correlation(wanted, explain(copy)))
    return found


@torch.no_grad()
def _shuffle(parameter: nn.Parameter, numbers: torch.Generator) -> None:
    order = torch.randperm(parameter.numel(), generator=numbers).to(parameter.device)
    parameter.copy_(parameter.flatten()[order].view_as(parameter))
