"""The embedded default: real handwritten digits, turned, scaled and shifted.

After the RTS task of the Spatial Transformer (M. Jaderberg, K. Simonyan, A. Zisserman, K.
Kavukcuoglu, 2015, arXiv:1506.02025, section 4.1 and appendix A.4): rotation ±45°, scale 0.7 to
1.2, a random place on the canvas. The digits are the 1,797 of scikit-learn (8×8, the test part of
E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI 1998).
"""

from __future__ import annotations

import gzip
import importlib.util
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..errors import RegardError
from .distortion import draw_distortions, extent, warp
from .images import Images, Split
from .splits import random_bits, stratified

SEED = 2015
SPLIT, TRAIN, TEST = range(3)  # independent streams of the seed
TEST_SHARE = 0.2766  # 497 of the 1,797 digits
CLASSES = tuple("0123456789")
LEAST_CANVAS = 16  # pixels

Labels = npt.NDArray[np.int64]


def digits(
    train: int = 4400,
    test: int = 1988,
    *,
    rotation: float = 45.0,
    scale: tuple[float, float] = (0.7, 1.2),
    shift: float = 0.4,
    canvas: int = 32,
    seed: int = SEED,
) -> Images:
    """Distorted handwritten digits, the same on every machine.

    The 1,797 digits are first divided, by class, into 1,300 for train and 497 for test; then each
    image is a fresh distortion of a digit of its own part. So no test digit is ever trained on.

    Args:
        train, test: numbers of images; the digits of a part take turns.
        rotation: largest angle to either side, in degrees, 0 to 180.
        scale: least and largest factor; 1 makes a digit 18/32 of the canvas wide, here 18 pixels.
        shift: largest shift as a share of the room the turned and scaled digit leaves, 0 to 1.
        canvas: side of the images in pixels, 16 or more.
        seed: of the split and the distortions; apart from every training seed.

    Raises:
        RegardError: scikit-learn is missing, or an argument is out of range.
    """
    _require_counts(train, test, canvas)
    _require_ranges(rotation, scale, shift)
    pixels, labels = read_digits()
    made = {}
    for stream, source in zip((TRAIN, TEST), digit_sources(train, test, seed), strict=True):
        how = draw_distortions(
            random_bits(seed, stream), len(source), rotation=rotation, scale=scale, shift=shift
        )
        made[stream] = Split(warp(pixels, source, how, canvas)[:, None], labels[source])
    notes = (
        "generated from scikit-learn's 1,797 handwritten digits; train and test share no digit",
        f"turned ±{rotation:g}°, scaled {scale[0]:g} to {scale[1]:g}, shifted up to {shift:.0%} of "
        f"the free room on {canvas}×{canvas} pixels, seed {seed}",
    )
    return Images(made[TRAIN], made[TEST], CLASSES, "digits", notes=notes)


def digit_sources(train: int = 4400, test: int = 1988, seed: int = SEED) -> tuple[Labels, Labels]:
    """Which of the 1,797 digits each train and each test image of :func:`digits` shows."""
    _, labels = read_digits()
    bits = random_bits(seed, SPLIT)
    held = stratified(labels, TEST_SHARE, bits, CLASSES)
    order = np.argsort(bits.random_raw(len(labels)), kind="stable")
    taught, tested = order[~held[order]], order[held[order]]
    return np.resize(taught, train), np.resize(tested, test)


def read_digits() -> tuple[npt.NDArray[np.uint8], Labels]:
    """Scikit-learn's digits: uint8 ``[1797, 8, 8]`` with values 0 to 16, and int64 ``[1797]``.

    Only its data file is read; importing scikit-learn would take seconds.

    Raises:
        RegardError: scikit-learn is not installed, or has no such file.
    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise RegardError(
            "the digits come with scikit-learn, which is not installed; "
            "pip install 'regard[data]', or give a folder of images"
        )
    path = Path(spec.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    try:
        with gzip.open(path, "rt", encoding="ascii") as lines:
            table = np.loadtxt(lines, delimiter=",").reshape(1797, 65)
    except (OSError, EOFError, ValueError) as error:
        raise RegardError(f"scikit-learn's digits cannot be read from {path}: {error}") from error
    return table[:, :64].reshape(-1, 8, 8).astype(np.uint8), table[:, 64].astype(np.int64)


def _require_counts(train: int, test: int, canvas: int) -> None:
    least_of = {"train": (train, 1), "test": (test, 1), "canvas": (canvas, LEAST_CANVAS)}
    for name, (value, least) in least_of.items():
        if value < least:
            raise RegardError(f"digits: {name} is {value}; expected {least} or more")


def _require_ranges(rotation: float, scale: tuple[float, float], shift: float) -> None:
    for name, value, low, high in (
        ("rotation", rotation, 0, 180),
        ("shift", shift, 0, 1),
        ("scale[0]", scale[0], 0.1, scale[1]),
    ):
        if not low <= value <= high:
            raise RegardError(f"digits: {name} is {value}; expected {low} to {high}")
    widest = extent(np.array([min(rotation, 45.0)]), np.array([scale[1]]))[0]
    if widest > 1:
        raise RegardError(
            f"digits: scale[1] is {scale[1]:g}; turned by up to {rotation:g}° a digit fits on the "
            f"canvas at {scale[1] / widest:.2f} at most"
        )
