import dataclasses
import html
import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from regard.comparison import Comparison, Plan, compare, report
from regard.comparison.reading import GRID, names_of, read_grid
from regard.comparison.spec import RESULT, note_failure
from regard.errors import RegardError
from regard.training import Budget

EVIL = "<script>alert(1)</script>"


def keep_results(folder, keep):
    for name, key in names_of(read_grid(folder)).items():
        if not keep(*name):
            (folder / "trials" / key / RESULT).unlink()
    return report(folder).html()


def titles(text):
    return re.findall(r"<h2[^>]*>([^<]*)</h2>", text)


def parse(text):
    """Strictly, as XML: what is not closed or not escaped does not pass."""
    quiet = re.sub(r"(<(script|style)>).*?(</\2>)", r"\1\3", text, flags=re.DOTALL)
    return ElementTree.fromstring(quiet.removeprefix("<!DOCTYPE html>\n"))


ALL = [
    "All arms",
    "Differences",
    "Against the controls",
    "Accuracy against cost",
    "Learning curves",
    "What the mechanisms attended to",
    "How it was done",
]


def test_the_verdict_comes_first_and_everything_after_it(finished):
    text = report(finished).html()
    parse(text)
    assert titles(text) == ALL
    headline = Comparison.load(finished).headline.replace("'", "&#x27;")
    lead, first = text.index(f'<p class="lead">{headline}</p>'), text.index("<h2")
    assert lead < first
    for arm in Comparison.load(finished).arms:
        assert arm.label in text
    assert "always answering the commonest class is right 50.0% of the time" in text


def test_the_file_in_the_folder_is_this_page(finished):
    assert (finished / "report.html").read_text(encoding="utf-8") == report(finished).html()


@pytest.mark.parametrize(
    ("keep", "missing"),
    [
        (lambda label, seed: False, ALL[2:6]),
        (lambda label, seed: (label, seed) == ("none", 0), [ALL[2], ALL[5]]),
        (lambda label, seed: (label, seed) == ("se", 1), [ALL[2]]),
        (lambda label, seed: seed == 0 or label == "cbam", []),
        (lambda label, seed: label != "none", []),
    ],
    ids=["none", "the plain one", "one mechanism", "some", "all but plain"],
)
def test_a_report_can_be_made_at_any_time(finished, keep, missing):
    text = keep_results(finished, keep)
    parse(text)
    assert titles(text) == [title for title in ALL if title not in missing]
    assert not re.search(r"\bnan\b|>[^<]*\bNone\b", re.sub(r"data:image[^\"]*", "", text))


def test_a_failed_trial_stands_above_the_table(finished):
    key = names_of(read_grid(finished))["se", 1]
    (finished / "trials" / key / RESULT).unlink()
    note_failure(finished / "trials" / key, f"ValueError: {EVIL}")
    text = report(finished).html()
    parse(text)
    note = text.index('<p class="note">se, seed 1 failed: ValueError: &lt;script&gt;')
    assert text.index("<h2") < note < text.index("<table")


def test_the_images_may_be_gone(finished):
    shutil.rmtree(finished / "data")
    text = report(finished).html()
    parse(text)
    assert "The images are not there any more" in text


def test_a_folder_that_is_none_is_an_error(tmp_path):
    with pytest.raises(RegardError, match="is no folder of `regard compare`"):
        report(tmp_path)


def test_nothing_is_asked_of_the_network(finished):
    text = report(finished).html()
    tree = parse(text)
    for element in tree.iter():
        for name, value in element.attrib.items():
            plain = name.rpartition("}")[2]
            if plain in ("src", "href", "srcset", "action", "data", "poster", "background"):
                assert value.startswith(("data:image/", "#")), (element.tag, name)
    for word in ("url(", "@import", "fetch(", "XMLHttpRequest", "import("):
        assert word not in text
    assert "default-src 'none'" in html.unescape(text)


def test_names_that_want_to_run_are_inert(tmp_path, in_process, capsys):
    generator = np.random.default_rng(0)
    for name in (EVIL.replace("/", "\N{FRACTION SLASH}"), "\x1b[31mred", "plain"):
        (tmp_path / "<b>data" / name).mkdir(parents=True)
        for number in range(6):
            pixels = generator.integers(0, 255, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "<b>data" / name / f"{number}.png")
    plan = Plan(
        data=str(tmp_path / "<b>data"),
        mechanisms="cbam,stn",
        controls="none",
        seeds=(0,),
        budget=Budget(epochs=1, batch=8),
    )
    found = compare(plan, out=tmp_path / "out", executor=in_process)
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    tree = parse(text)
    assert len(list(tree.iter("script"))) == 1
    assert not list(tree.iter("b"))
    assert "&lt;script&gt;alert(1)" in text
    assert "\x1b" not in text
    found.show()
    assert "\x1b" not in capsys.readouterr().out


def test_labels_from_a_strangers_folder_are_inert(finished):
    text = (finished / GRID).read_text()
    (finished / GRID).write_text(text.replace('"cbam"', json.dumps(f"{EVIL}\u001b")))
    tree = parse(report(finished).html())
    assert len(list(tree.iter("script"))) == 1


def test_verdicts_have_colours(finished):
    comparison = Comparison.load(finished)
    results = {
        label: {
            seed: {**result, "accuracy": 0.5 + shift + 0.001 * seed}
            for seed, result in seeds.items()
        }
        for (label, seeds), shift in zip(
            comparison.results.items(), (0.0, 0.2, -0.2, *[0.1] * 6), strict=True
        )
    }
    changed = {
        **results,
        "se": {s: {**r, "accuracy": 0.7 + 0.002 * s} for s, r in results["se"].items()},
    }
    changed["cbam"] = {s: {**r, "accuracy": 0.3 + 0.002 * s} for s, r in results["cbam"].items()}
    grid = {**comparison.grid, "answers": 1000}
    text = report(dataclasses.replace(comparison, grid=grid, results=changed)).html()
    assert re.search(r'<tr class="good"><th scope="row">se</th>', text)
    assert re.search(r'<tr class="bad"><th scope="row">cbam</th>', text)
    assert re.search(r'<tr class="reference"><th scope="row">none</th>', text)
    assert '<p class="lead">se helps: +20.' in text


def test_the_protocol_says_how_large_the_controls_are(finished):
    found = Comparison.load(finished)
    text = html.unescape(report(found).html())
    arms = {arm.label: arm for arm in found.arms}
    widened, longer = arms["none, widened"], arms["none, longer"]
    epochs = found.grid["budget"]["epochs"]
    assert f"'none, widened' has {widened.width:g} times the channels" in text
    trained = longer.epochs(epochs)
    assert f"'none, longer' is trained for {trained} epochs instead of {epochs}" in text
    assert "'se, placebo' squeezes running means instead of the sample" in text


@pytest.mark.parametrize(("held_out", "words"), [(True, "held-out validation"), (False, "test")])
def test_learning_curves_name_the_images_they_are_of(finished, held_out, words):
    found = Comparison.load(finished)
    found = dataclasses.replace(found, grid={**found.grid, "validation": held_out})
    assert f"Accuracy on {words} images after each epoch" in report(found).html()
