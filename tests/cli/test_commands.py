import io
import json
import signal
import subprocess
import sys
import webbrowser

import pytest

from regard import checks, doctor, names
from regard.checks.report import Outcome, Report
from regard.checks.rule import RULES
from regard.cli import commands, main
from regard.cli.parser import make_parser
from regard.cli.plans import plan_of
from regard.comparison import Comparison, Plan
from regard.comparison import grid as grid_module

OWN = '''
"""A mechanism of one's own."""
from dataclasses import replace
from regard import card
print("chatter")
CARD = replace(card("se"), name="mine", aliases=())
'''
CHATTY = """
import torch
from torch import nn
print("chatter")

def build(num_classes, in_channels):
    print("more of it")
    return nn.Sequential(nn.Conv2d(in_channels, 4, 3), nn.BatchNorm2d(4), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(4, num_classes))
"""

SEGMENTING = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(3, 5, 1)

    def forward(self, x):
        x = self.convolution(x)
        return {output}

def build():
    return Net()
"""


def loads(text):
    return json.loads(text, parse_constant=pytest.fail)


def test_list_names_every_mechanism(regard):
    code, out, err = regard("list")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["name", "title", "takes", "family", "year", "paper"]
    assert [line.split()[0] for line in lines[1:]] == list(names())


def test_list_speaks_json_and_filters(regard):
    code, out, _ = regard("list", "--family", "spatial", "--json")
    assert code == 0
    found = loads(out)
    assert [card["name"] for card in found] == list(names("spatial"))
    assert all("spatial" in card["family"] for card in found)
    code, out, err = regard("list", "--family", "temporal")
    assert (code, out) == (1, "")
    assert "no mechanism has the family 'temporal'" in err


def test_show_prints_card_call_and_citation(regard):
    code, out, _ = regard("show", "senet")
    assert code == 0
    assert "Squeeze-and-Excitation" in out
    assert "call          se(channels, reduction=16" in out
    assert "@inproceedings{hu2018squeeze" in out
    facts = loads(regard("show", "se", "--json")[1])
    assert (facts["name"], facts["paper"]) == ("se", "arXiv:1709.01507")


def test_show_writes_options_and_waivers_in_words(regard):
    out = regard("show", "linformer")[1]
    assert "waives        permutation: the projections along" in out
    assert "{" not in out.split("@")[0]


def test_cite_prints_each_paper_once(regard):
    code, out, err = regard("cite", "senet", "se", "cbam", "cbam_channel")
    assert (code, err) == (0, "")
    assert out.count("@inproceedings{hu2018squeeze") == 1
    assert out.count("@inproceedings{woo2018cbam") == 1
    found = loads(regard("cite", "mha", "--json")[1])
    assert [entry["name"] for entry in found] == ["multihead"]
    assert "vaswani" in found[0]["bibtex"]


def test_a_mechanism_in_a_file_of_ones_own(regard, tmp_path):
    (tmp_path / "mine.py").write_text(OWN)
    code, out, err = regard("show", tmp_path / "mine.py", "--json")
    assert code == 0
    assert loads(out)["name"] == "mine"
    assert "chatter" in err


def test_sites_lists_where_a_mechanism_can_go(regard):
    code, out, _ = regard("sites", "small", "--at", "layer*.*.bn2")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "site", "layer1.0.bn2", "layer2.0.bn2", "layer3.0.bn2",
    ]  # fmt: skip
    found = loads(regard("sites", "small", "--size", "16", "--channels", "1", "--json")[1])
    (first,) = [site for site in found["sites"] if site["name"] == "stem.conv"]
    assert first["shape"] == [2, 16, 8, 8]


def test_measure_tells_what_a_mechanism_costs(regard):
    plain, more = (
        loads(regard("measure", "small", "--size", "16", *extra, "--json")[1])
        for extra in ([], ["--with", "se@layer1.*.bn2", "--batch", "2", "--threads", "1"])
    )
    assert more["parameters"] - plain["parameters"] == 2 * 16 * 1 + 1 + 16
    assert (more["batch"], more["threads"]) == (2, 1)
    code, out, _ = regard("measure", "small", "--size", "16")
    assert code == 0
    assert "parameters" in out


@pytest.mark.parametrize("output", ["x", "{'out': x, 'sizes': [1]}"])
def test_networks_that_are_no_classifiers_have_sites_and_costs(regard, tmp_path, output):
    (tmp_path / "hosts.py").write_text(SEGMENTING.format(output=output))
    host = f"{tmp_path / 'hosts.py'}:build"
    code, out, err = regard("sites", host)
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["site", "convolution"]
    code, out, err = regard("measure", host, "--size", "8", "--with", "se@convolution", "--json")
    assert (code, err) == (0, "")
    assert loads(out)["parameters"] > 5 * 3 + 5


def test_check_judges_a_mechanism(regard):
    rule = next(iter(RULES))
    code, out, _ = regard("check", "se", "--rules", f" {rule}", "--json")
    assert code == 0
    assert [outcome["rule"] for outcome in loads(out)["outcomes"]] == [rule]


def test_check_fails_with_its_code(regard, monkeypatch):
    monkeypatch.setattr(checks, "check", lambda *_: Report("x", (Outcome("r", "failed", "no"),)))
    assert regard("check", "se")[0] == 1


def test_doctor_tells_whether_all_is_well(regard, monkeypatch):
    code, out, _ = regard("doctor", "--json")
    assert loads(out)["well"] is (code == 0)
    broken = doctor.Diagnosis((doctor.Finding("disk", "broken", "full"),))
    monkeypatch.setattr(doctor, "examine", lambda: broken)
    code, out, err = regard("doctor")
    assert (code, out, err) == (1, "broken  disk  full\n", "")


def test_compare_shows_verdict_table_and_report(regard, quick, tmp_path):
    code, out, err = regard(*quick, "--out", tmp_path / "out")
    assert code == 0
    found = Comparison.load(tmp_path / "out")
    assert out == f"{found.text()}\n\nreport: {tmp_path / 'out' / 'report.html'}\n"
    lines = err.splitlines()
    assert len(lines) == 4
    assert lines[3].startswith("[4/4, 0:00 left] se, seed 1: ")


def test_compare_prints_nothing_but_json(regard, quick, tmp_path):
    (tmp_path / "net.py").write_text(CHATTY)
    host = f"{tmp_path / 'net.py'}:build"
    asked = ["--on", host, "--with", "se@0", "--out", tmp_path / "out", "--json"]
    code, out, err = regard(*[word if word != "se" else "se@0" for word in quick], *asked)
    assert code == 0, err
    facts = loads(out)
    assert facts["done"] == [4, 4]
    assert "more of it" in err


def test_report_is_made_again_and_elsewhere(regard, finished, tmp_path):
    (finished / "report.html").unlink()
    code, out, _ = regard("report", finished)
    assert code == 0
    assert f"report: {finished / 'report.html'}" in out
    assert (finished / "report.html").read_text().startswith("<!DOCTYPE html>")
    code, out, _ = regard("report", finished, "--out", tmp_path / "x.html", "--json")
    assert code == 0
    assert loads(out)["done"] == [6, 6]
    assert (tmp_path / "x.html").read_bytes() == (finished / "report.html").read_bytes()


def test_report_opens_the_file_it_wrote(regard, finished, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda address: opened.append(address) or True)
    assert regard("report", finished, "--open")[0] == 0
    assert opened == [(finished / "report.html").as_uri()]
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    code, _, err = regard("report", finished, "--open")
    assert code == 1
    assert "no browser could be opened; the report is" in err


def test_an_interruption_says_how_to_go_on(regard, quick, tmp_path, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(grid_module, "open_task", interrupt)
    code, out, err = regard(*quick, "--out", tmp_path / "out")
    assert (code, out) == (130, "")
    assert err == (
        "regard compare: stopped; what is finished is kept, and the same command goes on from "
        "there\n"
    )
    monkeypatch.setitem(commands.COMMANDS, "list", interrupt)
    assert regard("list") == (130, "", "regard list: interrupted\n")


def test_what_nobody_foresaw_is_no_traceback(regard, monkeypatch):
    def fail(_):
        raise ZeroDivisionError("of nothing\nat all \x1b[2J")

    monkeypatch.setitem(commands.COMMANDS, "list", fail)
    code, out, err = regard("list")
    assert (code, out) == (1, "")
    assert err.splitlines() == [
        "regard list: unexpected ZeroDivisionError: of nothing at all \\x1b[2J",
        "with REGARD_TRACEBACK=1 it shows where; please report it",
    ]
    monkeypatch.setenv("REGARD_TRACEBACK", "1")
    with pytest.raises(ZeroDivisionError):
        main(["list"])


def test_an_error_cannot_steer_the_terminal(regard):
    code, _, err = regard("show", "\x1b[2J")
    assert code == 1
    assert "\x1b" not in err


def test_a_terminal_without_our_signs_is_served(finished, monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["report", str(finished)]) == 0
    assert b"report:" in raw.getvalue()


def test_who_has_read_enough_is_not_told_off():
    code = "import sys; from regard.cli import main; sys.exit(main(['completion', 'bash']))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 0
    process.stderr.close()


@pytest.mark.parametrize("asked", [["completion", "bash"], ["list", "--family", "temporal"]])
def test_an_interruption_after_the_answer_is_too_late(asked):
    code = (
        "import atexit, os, signal, sys; from regard.cli import main; "
        "atexit.register(os.kill, os.getpid(), signal.SIGINT); sys.exit(main())"
    )
    command = [sys.executable, "-c", code, *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" not in done.stderr
    assert done.returncode == (0 if done.stdout else 1)


def test_interruptions_stay_as_they_are_where_the_process_is_not_ours(regard):
    before = signal.getsignal(signal.SIGINT)
    assert regard("list")[0] == 0
    assert signal.getsignal(signal.SIGINT) is before


def test_a_plan_of_the_command_line_equals_one_of_the_library(stripes):
    options = make_parser().parse(["compare", str(stripes), "--with", "se", "--seeds", "0,2"])
    made = Plan(data=str(stripes), mechanisms="se", seeds=(0, 2))
    assert plan_of(options) == made
