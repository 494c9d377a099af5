from regard.errors import cause


def test_the_cause_is_one_line_however_long_the_message():
    assert cause(OSError("no\n\n  such\tfile\n")) == "OSError: no such file"
    assert cause(KeyError()) == "KeyError"
    long = cause(RuntimeError(99 * "a line\n"), 60)
    assert len(long) <= 60 + len("RuntimeError: ")
    assert long.endswith("a line a …")
    assert "\n" not in long


def test_a_program_that_ends_itself_is_said_so():
    assert cause(SystemExit(3)) == "the code called sys.exit(3)"
    assert cause(SystemExit("usage:\nx")) == "the code called sys.exit(usage: x)"
