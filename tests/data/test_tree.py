import os

import pytest

from regard.data.tree import list_folder, shown, shown_some, text_name
from regard.errors import RegardError


def test_folders_files_and_junk_are_told_apart_and_sorted(tmp_path):
    for name in ("b.png", "a.png", ".DS_Store", "Thumbs.db", "desktop.ini", "._a.png"):
        (tmp_path / name).touch()
    for name in ("z", "y", ".git", "__MACOSX"):
        (tmp_path / name).mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "z")
    (tmp_path / "broken").symlink_to(tmp_path / "nowhere")
    listing = list_folder(tmp_path)
    assert [path.name for path in listing.folders] == ["x", "y", "z"]
    assert [path.name for path in listing.files] == ["a.png", "b.png", "broken"]
    assert {path.name for path in listing.ignored} == {
        *(".DS_Store", "Thumbs.db", "desktop.ini", "._a.png", ".git", "__MACOSX")
    }


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all")
def test_a_folder_without_permission_is_named(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o000)
    with pytest.raises(RegardError, match="closed cannot be read: Permission denied"):
        list_folder(closed)


def test_a_refused_folder_is_named(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", refuse)
    with pytest.raises(RegardError, match="closed cannot be read: Permission denied"):
        list_folder(tmp_path / "closed")


def test_a_name_that_is_no_utf8_becomes_valid_text(tmp_path):
    try:
        os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    except OSError:
        pytest.skip("this file system takes valid names only")
    (folder,) = list_folder(tmp_path).folders
    assert text_name(folder) == "caf\\xe9"
    assert shown(folder).encode("utf-8").endswith(b"caf\\udce9")


def test_shown_escapes_what_moves_a_terminal_and_keeps_letters():
    assert shown("\x1b[31mred\n") == "\\x1b[31mred\\n"
    assert shown("猫 <script>é") == "猫 <script>é"


def test_shown_some_counts_the_rest():
    assert shown_some(["a", "b"]) == "'a', 'b'"
    assert shown_some(list("abcde")) == "'a', 'b', 'c' and 2 more"
    assert shown_some([]) == ""
