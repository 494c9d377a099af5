import pytest

from regard.errors import RegardError
from regard.explaining.recipe import _is_held, main, read_pairs

LINES = [f"{s} {v} tea{e}\t{z}喝茶。\tCC-BY 2.0 (France) {s}{v}"
         for s, z in (("I", "我"), ("You", "你"), ("We", "我们"), ("They", "他们"))
         for v in ("drink", "like", "make") for e in (".", "!", "?")]  # fmt: skip


def test_the_recipe_makes_what_the_package_loads(tmp_path, monkeypatch):
    (source := tmp_path / "cmn.txt").write_text("\ufeff" + "\n".join(LINES), encoding="utf-8")
    assert {_is_held(line.split("\t")[0]) for line in LINES} == {True, False}
    main(str(source), str(tmp_path), "2")
    (folder := tmp_path / "weights").mkdir()
    for name in ("translator.json", "translator.safetensors"):
        (tmp_path / name).rename(folder / name)
    monkeypatch.setattr("regard.explaining.shipped.files", lambda _: tmp_path)
    from regard.explaining.shipped import load_shipped

    found = load_shipped()
    assert "drink" in found.vocabulary.tokens
    assert found.facts["learned"] + found.facts["held"] == len(LINES)


def test_a_file_without_pairs_is_refused(tmp_path):
    (path := tmp_path / "a.txt").write_text("no tab\n", encoding="utf-8")
    with pytest.raises(RegardError, match="a tab and Chinese"):
        read_pairs(path)
