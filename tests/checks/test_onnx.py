"""Every mechanism goes through ONNX, with any batch and size, and onnxruntime computes the same."""

import inspect

import pytest
import torch

from regard.catalogue import card, names
from regard.checks.graphs import dynamic, two_sizes
from regard.checks.specimen import specimen

WHY = "it comes with the extra 'export'"


@pytest.fixture(scope="module")
def runtime():
    """onnxruntime, where all three packages are there."""
    for package in ("onnx", "onnxscript"):
        pytest.importorskip(package, reason=WHY)
    return pytest.importorskip("onnxruntime", reason=WHY)


def exported(subject, module, inputs, path):
    parameters = list(inspect.signature(module.forward).parameters)[: len(inputs)]
    shapes = {n: dynamic(subject, x) for n, x in zip(parameters, inputs, strict=True)}
    torch.onnx.export(
        module, inputs, path, dynamo=True, dynamic_shapes=shapes, verbose=False, optimize=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_onnxruntime_computes_the_same(name, runtime, tmp_path):
    subject = specimen(card(name))
    module = subject.build().float()
    usual, other = (tuple(x.float() for x in inputs) for inputs in two_sizes(subject))
    path = str(tmp_path / "model.onnx")
    exported(subject, module, usual, path)
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    taken = [given.name for given in session.get_inputs()]
    for inputs in (usual, other):
        fed = dict(zip(taken, (x.numpy() for x in inputs), strict=False))
        (got,) = session.run(None, fed)
        wanted = module(*inputs).detach()
        scale = max(1.0, float(wanted.abs().max()))
        assert got.shape == tuple(wanted.shape)
        assert float((torch.from_numpy(got) - wanted).abs().max()) <= 1e-5 * scale
