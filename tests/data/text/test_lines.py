import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from regard.data.text import lines as module
from regard.data.text.lines import read_lines
from regard.data.text.skips import Skips
from regard.errors import RegardError

TEXT = st.text(st.characters(exclude_characters="\r\n\0\ufeff", exclude_categories=["Cs"]))


def read(path, on_bad="error"):
    return [text for _, text in read_lines(path, Skips(on_bad))]


@pytest.fixture
def file(tmp_path):
    def write(content: bytes):
        path = tmp_path / "a.txt"
        path.write_bytes(content)
        return path

    return write


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(TEXT, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    packed=st.booleans(),
    last=st.booleans(),
)
def test_lines_come_back_whatever_ends_them(tmp_path, texts, end, bom, packed, last):
    content = end.join(texts) + (end if last and texts else "")
    raw = ("\ufeff" if bom else "").encode() + content.encode()
    path = tmp_path / "lines"
    path.write_bytes(gzip.compress(raw) if packed else raw)
    expected = texts if last or texts[-1:] != [""] else texts[:-1]
    assert read(path) == expected


def test_only_line_feeds_end_a_line(file):
    assert read(file("a\u2028b\u0085c\x0cd\re\nf".encode())) == ["a\u2028b\u0085c\x0cd\re", "f"]


def test_lines_are_numbered_from_one(file):
    assert list(read_lines(file(b"x\n\ny"), Skips())) == [(1, "x"), (2, ""), (3, "y")]


def test_broken_utf8_is_told_with_its_line_and_byte(file):
    path = file(b"good\nna\xefve\n")
    with pytest.raises(RegardError, match=r"a\.txt, line 2: byte 3 \(0xef\) is no UTF-8"):
        read(path)


def test_broken_lines_that_are_skipped_keep_their_place(file):
    path = file(b"good\n\xff\nn\0l\nend\n")
    skips = Skips("skip")
    assert [text for _, text in read_lines(path, skips)] == ["good", None, None, "end"]
    assert skips.notes() == [
        "skipped lines that are no UTF-8: 1 (a.txt, line 2)",
        "skipped lines with NUL bytes: 1 (a.txt, line 3)",
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_told_with_what_converts_it(file, encoding):
    with pytest.raises(RegardError, match=r"is UTF-16; expected UTF-8.*iconv"):
        read(file("\ufeffhi\n".encode(encoding)))


def test_a_line_beyond_all_measure_is_refused(file, monkeypatch):
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    assert read(file(b"0123456789")) == ["0123456789"]
    with pytest.raises(RegardError, match=r"line 2: longer than 16 MiB"):
        read(file(b"a\n" + b"x" * 11))


def test_a_damaged_archive_is_told_with_how_far_it_went(file):
    whole = gzip.compress(b"".join(b"line %d\n" % n for n in range(3000)))
    with pytest.raises(RegardError, match=r"cannot be read after line [\d,]+: Compressed file"):
        read(file(whole[:-20]))
    with pytest.raises(RegardError, match="cannot be read at its beginning"):
        read(file(b"\x1f\x8bnothing"))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(RegardError, match=r"no file .*nowhere"):
        read(tmp_path / "nowhere")
    with pytest.raises(RegardError, match="at its beginning: Is a directory"):
        read(tmp_path)


def test_many_skips_are_counted_and_a_few_shown():
    skips = Skips("skip")
    for number in range(5):
        skips.bad("bad things", f"line {number}", "why")
    assert skips.notes() == ["skipped bad things: 5 (line 0; line 1; line 2 and 2 more)"]
