import errno
import os
import signal
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

from regard.comparison import locking
from regard.comparison.locking import LOCK, alone
from regard.errors import RegardError


class Visitor(threading.Thread):
    """Enters a folder, stays until told to leave."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.folder, self.inside, self.leave = folder, threading.Event(), threading.Event()

    def run(self):
        with alone(self.folder):
            self.inside.set()
            self.leave.wait(10)


def test_one_at_a_time(tmp_path):
    first, second = Visitor(tmp_path), Visitor(tmp_path)
    first.start()
    assert first.inside.wait(5)
    second.start()
    assert not second.inside.wait(0.3)
    first.leave.set()
    assert second.inside.wait(5)
    second.leave.set()
    first.join(5)
    second.join(5)


def test_one_at_a_time_where_there_is_no_fcntl(tmp_path, monkeypatch):
    held = threading.Lock()

    def locking_(number, mode, size):
        assert (mode, size) == ("LK_NBLCK", 1)
        if not held.acquire(blocking=False):
            raise OSError(errno.EDEADLK, "held")

    windows = SimpleNamespace(locking=locking_, LK_NBLCK="LK_NBLCK")
    monkeypatch.setattr(locking, "_module", {"msvcrt": windows}.get)
    first, second = Visitor(tmp_path), Visitor(tmp_path)
    first.start()
    assert first.inside.wait(5)
    second.start()
    assert not second.inside.wait(0.3)
    held.release()
    assert second.inside.wait(5)
    first.leave.set()
    second.leave.set()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP])
def test_nobody_waits_on_a_disk_without_locks(tmp_path, monkeypatch, number):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    unix = SimpleNamespace(flock=flock, LOCK_EX=2)
    monkeypatch.setattr(locking, "_module", {"fcntl": unix}.get)
    with alone(tmp_path), alone(tmp_path):
        pass


def test_nobody_waits_on_a_system_without_locks(tmp_path, monkeypatch):
    monkeypatch.setattr(locking, "_module", lambda name: None)
    with alone(tmp_path), alone(tmp_path):
        pass


def test_a_killed_process_holds_nothing(tmp_path):
    code = (
        f"import fcntl, time; f = open({str(tmp_path / LOCK)!r}, 'w'); fcntl.flock(f, 2); "
        "print('in', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout.readline() == "in\n"
        waiting = Visitor(tmp_path)
        waiting.start()
        assert not waiting.inside.wait(0.2)
        os.kill(holder.pid, signal.SIGKILL)
        assert waiting.inside.wait(5)
        waiting.leave.set()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    expected = pytest.raises(RegardError, match=r"nowhere/lock cannot be written: No such file")
    with expected, alone(tmp_path / "nowhere"):
        pytest.fail("nobody may enter")


def test_an_error_inside_is_passed_on_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights of mine"), alone(tmp_path):
        raise FileNotFoundError("weights of mine")
    after = Visitor(tmp_path)
    after.start()
    assert after.inside.wait(5)
    after.leave.set()
