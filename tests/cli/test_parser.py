import json
import shutil
import subprocess
import sys

import pytest

from regard.cli.commands import COMMANDS
from regard.cli.parser import make_parser
from regard.cli.plans import plan_of
from regard.comparison import Plan

HEAVY = """
import contextlib, io, json, sys
from regard.cli import main
asked = ("--help", "compare --help", "--version", "cmpare", "completion zsh")
for arguments in map(str.split, asked):
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main(arguments)
heavy = {"torch", "numpy", "rich", "PIL", "safetensors", "timm", "sklearn"}
print(json.dumps(sorted(heavy & sys.modules.keys())))
"""


def parse(*arguments):
    return make_parser().parse(arguments)


def refusal(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        parse(*arguments)
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert 1 <= len(err.splitlines()) <= 3
    return err


def test_help_is_light():
    made = subprocess.run([sys.executable, "-c", HEAVY], capture_output=True, text=True, check=True)
    assert json.loads(made.stdout) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        parse(command, "--help")
    assert stop.value.code == 0
    assert f"usage: regard {command}" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parse("--help")
    assert f"\n    {command}" in capsys.readouterr().out


def test_help_says_what_validation_is_for(capsys):
    with pytest.raises(SystemExit):
        parse("compare", "--help")
    said = " ".join(capsys.readouterr().out.split())
    assert "held out for learning curves and for choices" in said
    assert "the test images are used once, at the end" in said


def test_commands_and_parser_agree():
    assert list(make_parser().known) == list(COMMANDS)


def test_everything_that_reads_speaks_json():
    for name, command in make_parser().known.items():
        options = {option for action in command._actions for option in action.option_strings}
        assert ("--json" in options) is (name != "completion")


def test_without_options_a_comparison_is_the_default_plan():
    assert plan_of(parse("compare")) == Plan()


def test_all_options_of_a_comparison_reach_the_plan():
    options = parse(
        "compare", "folder", "--on", "timm:resnet18", "--with", "se,eca", "--controls", "longer",
        "--seeds", "3,5", "--epochs", "2", "--batch", "16", "--rate", "0.1", "--decay", "0.2",
        "--size", "64", "--validation", "0.1", "--pretrained", "--delta", "1", "--skip-bad",
        "--device", "cpu",
    )  # fmt: skip
    plan = plan_of(options)
    assert (plan.data, plan.host, plan.mechanisms) == ("folder", "timm:resnet18", "se,eca")
    assert (plan.controls, plan.seeds, plan.size) == ("longer", (3, 5), 64)
    budget = plan.budget
    assert (budget.epochs, budget.batch, budget.rate, budget.decay) == (2, 16, 0.1, 0.2)
    assert (plan.validation, plan.pretrained, plan.delta) == (0.1, True, 0.01)
    assert (plan.on_bad, plan.device) == ("skip", "cpu")


def test_defaults_named_in_the_help_are_the_defaults(capsys):
    with pytest.raises(SystemExit):
        parse("compare", "--help")
    text = " ".join(capsys.readouterr().out.split())
    plan = Plan()
    for option, value in (
        ("passes over the training data", plan.budget.epochs),
        ("images or texts a step", plan.budget.batch),
        ("highest learning rate", plan.budget.rate),
        ("weight decay", plan.budget.decay),
        ("how many, or a list such as 0,3,7", len(plan.seeds)),
        ("largest difference in points that does not matter", f"{100 * plan.delta:g}"),
    ):
        assert f"{option} (default: {value}" in text
    assert f"(default for images: {plan.mechanisms})" in text


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", (0,)), ("5", (0, 1, 2, 3, 4)), ("0,3,7", (0, 3, 7)), ("3,", (3,)), (" 2 , 1 ", (2, 1))],
)
def test_seeds_are_a_number_or_a_list(text, seeds):
    assert parse("compare", "--seeds", text).seeds == seeds


@pytest.mark.parametrize("text", ["0", "", ",", "three", "1.5", "-2", "1,1", "1,-2", "²"])
def test_other_seeds_are_refused(capsys, text):
    assert "such as 0,3,7" in refusal(capsys, "compare", f"--seeds={text}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["cmpare"], "COMMAND: 'cmpare' is unknown; nearest: compare"),
        (["xyzzy"], "'xyzzy' is unknown; known: bench, check, cite, compare, completion, doctor"),
        (["compare", "--sedes", "3"], "unknown argument --sedes; nearest: --seeds"),
        (["compare", "--seed=3"], "unknown argument --seed; nearest: --seeds"),
        (["compare", "--epoch", "3"], "unknown argument --epoch; nearest: --epochs"),
        (["compare", "one", "two"], "unknown argument two"),
        (["compare", "--device", "tpu"], "--device: 'tpu' is unknown; known: auto, cpu, cuda"),
        (["compare", "--epochs", "many"], "--epochs: 'many' is no whole number of 1 or more"),
        (["compare", "--epochs", "0"], "--epochs: '0' is no whole number of 1 or more"),
        (["compare", "--batch", "-3"], "--batch"),
        (["compare", "--workers", "0"], "--workers: '0' is no whole number"),
        (["compare", "--size", "1.5"], "--size: '1.5' is no whole number"),
        (["compare", "--rate", "fast"], "--rate: invalid float value: 'fast'"),
        (["compare", "--out"], "--out: expected one argument"),
        (["report"], "required: FOLDER"),
        (["show"], "required: NAME"),
        (["sites", "small", "--size", "-1"], "--size"),
        (["completion", "fish"], "shell: 'fish' is unknown; known: bash, zsh, tcsh"),
        (["list", "--jsno"], "unknown argument --jsno; nearest: --json"),
    ],
)
def test_a_mistake_is_answered_with_what_works(capsys, arguments, said):
    err = refusal(capsys, *arguments)
    assert said in err
    assert "--help lists what works" in err


def test_the_version_is_the_packages(capsys):
    import regard

    with pytest.raises(SystemExit):
        parse("--version")
    assert capsys.readouterr().out == f"regard {regard.__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_commands_and_options(capsys, shell):
    from regard.cli import main

    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "compare" in script
    assert "doctor" in script
    if shell != "tcsh":
        assert "--pretrained" in script
    program = shutil.which(shell)
    if program and shell != "tcsh":
        subprocess.run([program, "-n"], input=script, text=True, check=True)
