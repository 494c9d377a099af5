"""What is generated: the same everywhere, no sentence on two sides, and as it is described."""

import re
from collections import Counter
from datetime import date, timedelta

import numpy as np
import pytest

from regard.data.text import load_classification, load_tagging, load_translation
from regard.data.text import toy as grammar
from regard.data.text.cues import AMBIGUOUS, CUES, cues
from regard.data.text.dates import DAYS, FORMS, MONTHS, dates, write
from regard.data.text.draws import Draws
from regard.data.text.reviews import BAD, GOOD, reviews
from regard.errors import RegardError


@pytest.fixture(scope="module")
def made():
    return {
        "toy": load_translation("toy"),
        "dates": load_translation("dates"),
        "cues": load_tagging("cues"),
        "reviews": load_classification("reviews"),
    }


@pytest.mark.parametrize(
    ("name", "fingerprint"),
    [
        ("toy", "42218fcbc071b68e"),
        ("dates", "da33b385958c1559"),
        ("cues", "e4881b49db0c4e44"),
        ("reviews", "04524c64546f37dc"),
    ],
)
def test_the_data_are_the_same_on_every_machine(made, name, fingerprint):
    assert made[name].fingerprint[:16] == fingerprint


@pytest.mark.parametrize("name", ["toy", "dates", "cues", "reviews"])
def test_no_text_is_there_twice_and_the_notes_say_that_it_is_generated(made, name):
    texts = [row[0] for part in made[name].splits().values() for row in part.texts()]
    assert len(set(texts)) == len(texts)
    assert made[name].notes[0].startswith("generated: shows how a mechanism behaves")
    assert made[name].describe().count("\n") >= 3


@pytest.mark.parametrize("function", [grammar.toy, dates, cues, reviews])
def test_sizes_and_seeds_are_kept_and_bad_ones_told(function):
    one, other = function(20, 10), function(20, 10, seed=1)
    assert (len(one.train), len(one.test)) == (20, 10)
    assert one.fingerprint == function(20, 10).fingerprint != other.fingerprint
    for train, test in ((0, 10), (10, 0)):
        with pytest.raises(RegardError, match=f"train is {train} and test {test}; expected"):
            function(train, test)
    with pytest.raises(RegardError, match="seed is -1"):
        function(20, 10, seed=-1)


def test_a_toy_sentence_is_translated_by_the_grammar(made):
    """An independent reading: clause by clause, by pattern."""
    phrase = rf"(the|a|this)((?: (?:{'|'.join(grammar.ADJECTIVES)}))*) ({'|'.join(grammar.NOUNS)})"
    clause = re.compile(rf"{phrase} ({'|'.join(grammar.VERBS)}) {phrase}")

    def turned(article, adjectives, noun):
        target = grammar.NOUNS[noun]
        rest = [grammar.ADJECTIVES[word] for word in adjectives.split()]
        return " ".join([grammar.ARTICLES[article] + target[-1], target, *rest])

    def translate(found):
        subject, verb, thing = found.groups()[:3], found[4], found.groups()[4:]
        return f"{turned(*subject)} {turned(*thing)} {grammar.VERBS[verb]}"

    for source, target in made["toy"].test.texts():
        text = clause.sub(translate, source)
        for link, becomes in grammar.LINKS.items():
            text = text.replace(f" {link} ", f" {becomes} ")
        assert text == target


def test_toy_sentences_have_5_to_26_words_of_60_in_three_clusters(made):
    lengths = [len(text.split()) for text in made["toy"].train.source]
    assert (min(lengths), max(lengths)) == (5, 26)
    counts = np.histogram(lengths, [1, 9, 18, 27])[0] / len(lengths)
    assert counts.min() > 0.25  # 1 to 8, 9 to 17, 18 to 26 words
    assert len(grammar.WORDS) == len(set(grammar.WORDS)) == 60
    assert {word for text in made["toy"].train.source for word in text.split()} == set(
        grammar.WORDS
    )


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (FORMS[0], "Thursday, May 3rd, 1979"),
        ("{day}.{number}.{year}", "3.5.1979"),
        ("{short} {day} {year}", "May 3 1979"),
    ],
)
def test_a_day_is_written_as_people_do(form, text):
    assert form in FORMS
    assert write(date(1979, 5, 3), form) == text


def test_ordinals_end_as_in_english():
    ends = {1: "st", 2: "nd", 3: "rd", 11: "th", 12: "th", 13: "th", 21: "st", 22: "nd", 30: "th"}
    for number, ending in ends.items():
        assert f"{number}{ending}" in write(date(2000, 1, number), FORMS[0])


def test_names_of_days_and_months_are_those_of_the_calendar():
    for offset in range(0, 400, 17):
        day = date(2024, 1, 1) + timedelta(offset)
        assert DAYS[day.weekday()] == day.strftime("%A")
        assert MONTHS[day.month - 1] == day.strftime("%B")


def test_no_day_is_on_both_sides_and_every_answer_is_its_day(made):
    answers = [set(part.target) for part in made["dates"].splits().values()]
    assert not answers[0] & answers[1]
    for source, target in made["dates"].test.texts():
        day = date.fromisoformat(target)
        assert source in {write(day, form) for form in FORMS}


def test_more_days_than_there_are_is_told():
    with pytest.raises(RegardError, match="73,049 together at most"):
        dates(73_000, 50)


def test_the_cue_alone_decides_ambiguous_words(made):
    data = made["cues"]
    fixed = {}
    for place in range(len(data.test)):
        words, labels = data.test.sentence(place)
        (cue,) = [word for word in words if word in CUES]
        for word, label in zip(words, labels, strict=True):
            tag = data.classes[label]
            if word in AMBIGUOUS:
                assert tag == CUES[cue]
            else:
                assert fixed.setdefault(word, tag) == tag
    assert data.test.tags.lengths.min() >= 6
    assert data.test.tags.lengths.max() == 24


def test_where_the_cue_stands_is_even(made):
    part = made["cues"].train
    places = []
    for number in range(len(part)):
        words = part.sentence(number)[0]
        places.append(next(i for i, w in enumerate(words) if w in CUES) / len(words))
    # 1,000 expected of each quarter at most off by the rounding of places; deviation 27
    counts = np.histogram(places, 4, (0, 1))[0]
    assert counts.min() > 700


def test_each_bag_of_words_has_both_labels_equally_often_in_each_part(made):
    for part in made["reviews"].splits().values():
        bags = Counter()
        for text, label in zip(part.text, part.classes, strict=True):
            bags[" ".join(sorted(text.split()))] += 1 if label else -1
        assert set(bags.values()) == {0}


def test_held_out_reviews_keep_twins_together():
    made = load_classification("reviews", validation=0.2)
    bags = [{" ".join(sorted(t.split())) for t in part.text} for part in made.splits().values()]
    assert not bags[0] & bags[2]
    assert made.validation.classes.mean() == 0.5


def test_the_opinion_that_weighs_is_the_label(made):
    part = made["reviews"].test
    for text, label in zip(part.text, part.classes, strict=True):
        link = "but" if " but " in text else "although"
        before, after = text.split(f" {link} ")
        words = set((after if link == "but" else before).split())
        assert bool(words & set(GOOD)) == bool(label)
        assert bool(words & set(BAD)) != bool(label)


def test_draws_are_even_and_samples_differ():
    draws = Draws(0, 0)
    counts = np.bincount([draws.below(7) for _ in range(7000)])
    assert np.abs(counts - 1000).max() < 5 * 29.3  # five standard deviations
    assert all(len(set(draws.sample("abcdef", 4))) == 4 for _ in range(50))
