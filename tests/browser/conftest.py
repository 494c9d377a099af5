"""A real browser, and a page of every kind to be opened in it.

Chromium, driven by Playwright. Without it these tests skip, and say so loudly; where
``REGARD_BROWSER`` is set, as in CI, they fail instead. ``REGARD_CHROMIUM`` names a browser,
``REGARD_SHOTS`` a folder that screenshots are kept in.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

HERE = Path(__file__).parent
HOW = "make browser, or: playwright install chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome")
HOSTILE = "<script>alert(1)</script>"
FOLDER = "<img src=x onerror=alert(1)>"  # a folder cannot have a slash in its name


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker owns the browser."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.xdist_group("browser"))


def _absent(what: str) -> None:
    message = f"NO BROWSER TESTS: {what} is missing; {HOW}"
    if os.environ.get("REGARD_BROWSER"):
        pytest.fail(message)
    warnings.warn(message, stacklevel=2)
    pytest.skip(message)


@pytest.fixture(scope="session")
def chromium() -> Iterator[object]:
    try:
        from playwright.sync_api import Error, sync_playwright
    except ModuleNotFoundError:
        _absent("playwright")
    named = os.environ.get("REGARD_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=named, args=["--no-sandbox"])
        except Error:
            _absent("Chromium")
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium):
    """A written page, opened; what it asks for or complains of fails the test at its end."""
    trouble: list[str] = []
    contexts = []

    def go(path: Path, width: int = 1200, **options: object):
        context = chromium.new_context(viewport={"width": width, "height": 850}, **options)
        contexts.append(context)
        page, own = context.new_page(), (path.as_uri(), "data:", "about:srcdoc")
        page.on("request", lambda r: r.url.startswith(own) or trouble.append(r.url))
        page.on("console", lambda m: m.type in ("error", "warning") and trouble.append(m.text))
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("dialog", lambda shown: (trouble.append(shown.message), shown.dismiss()))
        page.goto(path.as_uri())
        return page

    yield go
    for context in contexts:
        context.close()
    assert trouble == []


@pytest.fixture(scope="session")
def shoot() -> Callable[..., None]:
    """Keep a screenshot of a whole page where ``REGARD_SHOTS`` names a folder."""

    def keep(page, name: str) -> None:
        if folder := os.environ.get("REGARD_SHOTS"):
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return keep


@pytest.fixture(scope="session")
def faults() -> Callable[..., list[object]]:
    """What axe-core finds on a page: rules, and the elements that break them."""
    source = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")

    def run(page) -> list[object]:
        page.evaluate(source)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        return [(rule["id"], [node["html"][:120] for node in rule["nodes"][:2]]) for rule in found]

    return run


class _Here:
    """An executor without processes."""

    def run(self, trials):
        from regard.comparison.executors import Event
        from regard.comparison.worker import attempt

        for trial in trials:
            error = attempt(trial)
            yield Event("finished", trial) if error is None else Event("failed", trial, error)


def _compared(data: Path, **facts):
    from regard.comparison import Plan, compare
    from regard.comparison.reporting import report
    from regard.training import Budget

    plan = Plan(data=str(data), seeds=(0, 1), budget=Budget(epochs=2, batch=8), **facts)
    return report(compare(plan, out=data.parent / "grid", executor=_Here()))


def compare_images(folder: Path):
    noise = np.random.default_rng(0)
    for kind in (FOLDER, "plain"):
        (folder / "images" / kind).mkdir(parents=True)
        for k in range(16):
            pixels = noise.integers(0, 120 if kind == "plain" else 255, (12, 12), np.uint8)
            Image.fromarray(pixels).save(folder / "images" / kind / f"{k}.png")
    return _compared(folder / "images", mechanisms="cbam,spatial_transformer,multihead@layer2.*")


def compare_texts(folder: Path):
    from regard.data.text.toy import toy

    (folder / "texts").mkdir()
    for role, pairs in toy(60, 16).splits().items():
        rows = ["\t".join(pair).replace("the", HOSTILE) for pair in pairs.texts()]
        (folder / "texts" / f"{role}.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    mechanisms = "none,additive,transformer"
    return _compared(folder / "texts", host="gru", mechanisms=mechanisms, controls="none", dim=16)


def see_picture(folder: Path):
    import timm
    import torch

    from regard.seeing import look, picture_subject

    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=32, patch_size=8, depth=3, embed_dim=24, num_heads=3,
        num_classes=3,
    )  # fmt: skip
    torch.nn.init.normal_(model.head.weight)
    return look(picture_subject(model, f"ViT {HOSTILE}", folder / "photo.png", 32)).page()


WORDS = f"[PAD] [UNK] [CLS] [SEP] [MASK] the old man lives near sea {HOSTILE}".split()


def _seen(folder: Path, model, text: str):
    import tokenizers
    import transformers

    from regard.seeing import look
    from regard.seeing.folders import folder_subject

    known = {word: k for k, word in enumerate(WORDS)}
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(known, unk_token="[UNK]"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain, unk_token="[UNK]", pad_token="[PAD]", mask_token="[MASK]"
    ).save_pretrained(folder / "model")
    model.save_pretrained(folder / "model")
    return look(folder_subject(str(folder / "model"), text=text)).page()


def see_text(folder: Path):
    import transformers

    config = transformers.GPT2Config(
        vocab_size=len(WORDS), n_embd=24, n_layer=2, n_head=3, bos_token_id=2, eos_token_id=3
    )
    text = f"the old man lives near the {HOSTILE} sea"
    return _seen(folder, transformers.GPT2LMHeadModel(config), text)


def see_translation(folder: Path):
    import transformers

    config = transformers.T5Config(
        vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2,
        decoder_start_token_id=0, pad_token_id=0, eos_token_id=3,
    )  # fmt: skip
    text = f"the old man lives near the {HOSTILE} sea"
    return _seen(folder, transformers.T5ForConditionalGeneration(config), text)


def see_maps(folder: Path):
    import torch

    import regard
    from regard.networks import SmallResNet

    model = SmallResNet(3, 3).eval()
    regard.plug(model, "cbam", at="layer*.0.bn2", example=torch.zeros(1, 3, 16, 16))
    with regard.see(model) as maps, torch.no_grad():
        model(torch.randn(1, 3, 16, 16))
    return maps.page()


def bench(folder: Path):
    from regard.bench import Benchmark, Entry, Row
    from regard.bench.case import Case
    from regard.bench.reporting import report
    from regard.bench.statistics import Ratio
    from regard.cost import Quartiles

    def row(name: str, part: str, batch: int, **facts):
        ours = Entry(contender="ours", ms=Quartiles(1.0, 2.0, 3.0), saved_bytes=1000)
        plain = Entry(contender="plain", ms=Quartiles(3.0, 4.0, 5.0), ratio=Ratio(0.5, 0.4, 0.6))
        case = Case(part=part, mechanism=name, shape=(batch, 8, 4, 4), layout="first", **facts)
        return Row(case=case, rounds=11, entries=(ours, plain))

    fixed = [row(name, "modules", 8, mode="training") for name in ("se", HOSTILE)]
    grown = [row("se", "growth", n, mode="inference", along="batch") for n in (1, 2, 4)]
    made = Benchmark((*fixed, *grown), (), {"torch": HOSTILE, "threads": 1})
    return report(made.rows, made.wrong, made.conditions)


def explain(folder: Path):
    import regard

    return regard.explain(f"Thinking {HOSTILE}")


def explain_between(folder: Path):
    import regard

    return regard.explain("我喜欢喝茶。", "I like to drink tea.", language="zh")


def explain_picture(folder: Path):
    """Of a thing like a shirt, turned: bright on black."""
    import regard

    pixels = np.zeros((64, 64), np.uint8)
    pixels[16:52, 22:42] = 200
    pixels[16:26, 10:54] = 150
    Image.fromarray(pixels).rotate(25).save(path := folder / "shirt.png")
    return regard.explain(path)


def explain_picture_on(folder: Path):
    """Through a network of one's own whose mechanism weighs 64 maps."""
    import regard
    from regard.comparison.arms import arm_of
    from regard.comparison.trained import train_one
    from regard.tasks import Reading, open_task
    from regard.training import Budget

    noise = np.random.default_rng(0)
    for kind in (FOLDER, "plain"):
        (folder / "data" / kind).mkdir(parents=True)
        for k in range(12):
            pixels = noise.integers(0, 120 if kind == "plain" else 255, (40, 32, 3), np.uint8)
            Image.fromarray(pixels).save(path := folder / "data" / kind / f"{k}.png")
    task, arm = open_task(str(folder / "data"), Reading()), arm_of("cbam@layer3.**", "images")
    train_one(task, "small", arm, Budget(epochs=1, batch=8), folder / "kept")
    return regard.explain(path, on=folder / "kept")


MAKERS = {
    made.__name__: made
    for made in (
        compare_images, compare_texts, see_picture, see_text, see_translation, see_maps, bench,
        explain, explain_between, explain_picture, explain_picture_on,
    )
}  # fmt: skip


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Callable[[str], tuple[Path, object]]:
    """A page by its kind: where it is written, and the page itself; each is made once."""
    done: dict[str, tuple[Path, object]] = {}

    def make(name: str) -> tuple[Path, object]:
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            page = MAKERS[name](folder)
            done[name] = page.write_html(folder / "page.html"), page
        return done[name]

    return make


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes ``kind`` runs for every kind of page."""
    if "kind" in metafunc.fixturenames and not any(
        "kind" in str(mark.args[0]) for mark in metafunc.definition.iter_markers("parametrize")
    ):
        metafunc.parametrize("kind", MAKERS)
