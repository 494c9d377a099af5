import csv
import io
import json

import pytest

from regard.errors import RegardError


def test_json_tells_everything(made):
    facts = json.loads(made.json())
    assert facts["passed"] is True
    assert facts["conditions"] == {"torch": "0", "threads": 1}
    assert facts["rows"] == json.loads(json.dumps([row.facts() for row in made.rows]))


def test_csv_tells_the_same_numbers(made):
    lines = list(csv.DictReader(io.StringIO(made.csv())))
    facts = [(row, entry) for row in json.loads(made.json())["rows"] for entry in row["entries"]]
    assert len(lines) == len(facts)
    for line, (row, entry) in zip(lines, facts, strict=True):
        assert [int(n) for n in line["shape"].split("x")] == row["shape"]
        for name, value in entry.items():
            read = line[name]
            assert (read or None) == value if value is None else type(value)(read) == value


@pytest.mark.parametrize("suffix", ["csv", "json", "html"])
def test_it_is_saved_by_suffix(made, tmp_path, suffix):
    path = tmp_path / f"bench.{suffix}"
    made.save(path)
    assert path.read_text(encoding="utf-8") == getattr(made, suffix)()


def test_another_suffix_is_refused(made, tmp_path):
    with pytest.raises(RegardError, match=r"saved as \.csv, \.json or \.html"):
        made.save(tmp_path / "bench.txt")


def test_the_table_holds_all_parts(made, capsys):
    made.show()
    text = capsys.readouterr().out
    for part in ("/ plain", "1 kB / 2 kB", "power", "1 faster", "timm not timed", "threads: 1"):
        assert part in text
    assert str(made) == made.table()


def test_red_shows_no_time(red):
    assert not red.passed
    assert "ours is wrong: the output is off" in red.table()
    assert "nothing was timed" in red.table()
    assert "ms" not in red.table()
    assert red.csv().count("\n") == 1


def test_a_notebook_gets_the_page(made):
    assert made._repr_html_().startswith("<iframe")
