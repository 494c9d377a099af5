import re
import xml.etree.ElementTree as ElementTree

import pytest

import regard
from regard.errors import RegardError
from regard.explaining.wording import said, title


@pytest.fixture(scope="module")
def html():
    return regard.explain("Thinking Machines").html()


def test_hostile_text_is_text():
    page = regard.explain("<script>alert(1)</script>").html()
    assert "&lt;script&gt;alert(1)&lt;/script&gt; · attention" in page
    assert "<script>alert" not in page
    assert page.count("<script") == 2


def test_the_page_is_well_formed_and_asks_for_nothing(html):
    assert "default-src &#x27;none&#x27;" in html
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    assert "eval(" not in html
    assert "unsafe" not in html
    body = html[html.index("<body") : html.index("</html>")]
    ids = [node.get("id") for node in ElementTree.fromstring(body).iter() if node.get("id")]
    assert len(set(ids)) == len(ids)


def test_every_sentence_is_there_in_both_languages(html):
    tongues = re.findall(r'lang="(en|zh)" class="tongue"', html)
    assert tongues.count("en") == tongues.count("zh") > 40


def test_the_page_says_what_it_was_trained_on(html):
    assert "tatoeba.org, CC-BY 2.0 France" in html


def test_the_language_is_that_which_was_asked_for():
    assert '<html lang="zh">' in regard.explain("注意力", language="zh").html()
    with pytest.raises(RegardError, match="'en' or 'zh'"):
        regard.explain("a", language="fr")


def test_values_in_a_sentence_are_escaped_and_formatted():
    assert "24%" in said("trained", learned=1200, held=3, share=0.24)
    assert "1,200" in said("trained", learned=1200, held=3, share=0.24)
    assert "&lt;b&gt;" in said("check", count="<b>", settings=1, worst=2)
    assert "Softmax" in title("weights-title")


def test_the_command_writes_the_page(tmp_path, capsys):
    from regard.cli import main

    place = tmp_path / "page.html"
    assert (
        main(["explain", "注意力", "--to", "attention", "--lang", "zh", "--out", str(place)]) == 0
    )
    assert capsys.readouterr().out == f"page: {place}\n"
    assert '"place": "cross"' in place.read_text(encoding="utf-8")
    assert main(["explain", " ", "--out", str(place)]) == 1
    assert main(["explain", "a", "--out", "page.pdf"]) == 1


def test_the_title_is_the_text_as_it_was_given():
    page = regard.explain("我喜欢 \n 喝茶。", "I like tea.")
    assert page.title == "我喜欢 喝茶。 → I like tea. · attention 注意力"


def test_words_that_the_network_does_not_know_are_named(html):
    assert "begin as one" not in html
    assert "does not know ب, ح: all of these begin as one" in regard.explain("بحب").html()
