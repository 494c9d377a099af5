"""A kept translator and a text, as `regard see` looks at them."""

import pytest

from regard import RegardError
from regard.comparison.arms import parse_arms
from regard.comparison.trained import train_one
from regard.comparison.watched import is_kept, kept_subject
from regard.seeing import look
from regard.tasks import Reading, open_task
from regard.training import Budget

BUDGET = Budget(epochs=1, batch=16)


@pytest.fixture
def kept(text_data, tmp_path):
    """Train a translator into a folder; gives the folder, the network and a text."""

    def make(host, arm):
        task = open_task(str(text_data["translation"]), Reading(measure="exact"), dim=16)
        folder = tmp_path / "kept"
        return folder, train_one(task, host, arm, BUDGET, folder), task.data.test.source[0]

    return make


@pytest.fixture
def transformer(kept):
    return kept("transformer", parse_arms("none,multihead", "translation")[1])


def test_a_transformer_shows_what_it_wrote_by_every_method(transformer):
    folder, trained, text = transformer
    assert is_kept(str(folder))
    subject = kept_subject(folder, text)
    source = trained.codec.source.encode(text)
    assert len(subject.scene.tokens) == len(source)
    assert subject.scene.written[-1] == "■"
    found = look(subject, test=False)
    wanted = (len(subject.spoken) - 1, len(source))
    assert {name: tuple(a.values.shape) for name, a in found.alignments.items()} == dict.fromkeys(
        ("attention", "rollout", "gradient × attention"), wanted
    )
    written = trained.codec.target.decode(list(subject.spoken))
    assert written.startswith(trained.predict([text])[0])  # which stops earlier


def test_a_recurrent_one_shows_its_weights_step_by_step(kept):
    folder, _, text = kept("gru", parse_arms("none,additive", "translation")[1])
    found = look(kept_subject(folder, text), test=False)
    assert set(found.alignments) == {"attention"}
    assert "one forward of an encoder-decoder" in found.refused["alignment by rollout"]


def test_what_is_no_translator_and_an_empty_text_are_told(transformer, text_data, tmp_path):
    task = open_task(str(text_data["classification"]), dim=16)
    arm = parse_arms("none,bigru(pooling=attention)", "classification")[1]
    train_one(task, "bag", arm, BUDGET, tmp_path / "one")
    with pytest.raises(RegardError, match="only translators work"):
        kept_subject(tmp_path / "one", "good")
    with pytest.raises(RegardError, match="has no token"):
        kept_subject(transformer[0], "")
    assert not is_kept(str(tmp_path))
