import pytest

from regard.bench import allocator
from regard.bench.allocator import VARIABLES, memory_kept


class Library:
    def __init__(self, works=1):
        self.works, self.calls = works, []

    def mallopt(self, name, value):
        self.calls.append((name, value))
        return self.works


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_glibc_keeps_memory_and_is_set_back(monkeypatch):
    library = Library()
    monkeypatch.setattr(allocator, "_glibc", lambda: library)
    with memory_kept() as state:
        assert library.calls == list(allocator._KEEP)
        assert "kept (mallopt)" in state
    assert library.calls == [*allocator._KEEP, *allocator._AFTER]


@pytest.mark.parametrize("library", [None, Library(works=0)])
def test_where_it_cannot_be_done_it_says_so(monkeypatch, library):
    monkeypatch.setattr(allocator, "_glibc", lambda: library)
    with memory_kept() as state:
        assert "page faults" in state
        assert "kept" not in state


def test_what_the_environment_says_is_left(monkeypatch):
    library = Library()
    monkeypatch.setattr(allocator, "_glibc", lambda: library)
    for name in VARIABLES:
        monkeypatch.setenv(name, "4294967296")
    with memory_kept() as state:
        assert "environment" in state
    assert library.calls == []


def test_it_runs_with_the_library_of_this_machine():
    with memory_kept() as state:
        assert state
