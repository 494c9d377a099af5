import pytest


@pytest.fixture
def write(tmp_path):
    """Write text under a name, line ends as they are; gives the path."""

    def to(name: str, text: str):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return to


@pytest.fixture
def conllu():
    """CoNLL-U of sentences written as ``dog/NOUN runs/VERB``, sharing no code with the reader."""

    def text(*sentences: str) -> str:
        made = ""
        for number, sentence in enumerate(sentences):
            made += f"# sent_id = genre{number % 2}-{number}\n"
            for place, item in enumerate(sentence.split(), start=1):
                word, tag = item.rsplit("/", 1)
                made += f"{place}\t{word}\t_\t{tag}\t_\t_\t0\troot\t_\t_\n"
            made += "\n"
        return made

    return text
