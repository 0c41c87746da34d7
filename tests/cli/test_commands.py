"""What all commands have in common: help with an example, JSON, numbered exit codes that the documentation lists."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fedtrust.cli.main import COMMANDS, cli, run
from fedtrust.errors import ExitCode, FedtrustError
from tests.e2e.federation import environment, fedtrust, fedtrust_here

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"


def _command(name: str) -> click.Command:
    command: click.Command = getattr(importlib.import_module(COMMANDS[name][0]), name)
    return command


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_shows_an_example_that_the_command_understands(name: str) -> None:
    outcome = fedtrust_here(name, "--help")
    assert outcome.code == ExitCode.OK
    assert outcome.out.startswith(f"Usage: fedtrust {name}")
    text = " ".join(outcome.out.split())
    assert f"Example: fedtrust {name}" in text
    assert "--json" in text
    # the example is parsed, not run; an address stands for 0x...
    epilog = _command(name).epilog
    assert epilog is not None
    example = epilog.removeprefix("Example: ").replace("0xAb...", "0x...")
    words = shlex.split(example.replace("0x...", "0x5FbDB2315678afecb367f032d93F642f64180aa3"))
    assert words[:2] == ["fedtrust", name]
    _command(name).make_context(name, words[2:])


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_says_what_it_is(name: str) -> None:
    for parameter in _command(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_overview_names_every_command() -> None:
    outcome = fedtrust_here("--help")
    assert outcome.code == ExitCode.OK
    described = (cli.help or "").split("Exit codes")[0]
    for name in COMMANDS:
        assert name in re.split(r"[\s,]+", described)
        assert f"  {name} " in outcome.out


def test_version() -> None:
    outcome = fedtrust_here("--version")
    assert outcome.code == ExitCode.OK
    assert re.fullmatch(r"fedtrust, version \d+\.\d+\.\d+\n", outcome.out)


def test_the_installed_program_and_the_module_are_the_same() -> None:
    programs: list[list[str | Path]] = [
        [Path(sys.executable).parent / "fedtrust"],
        [sys.executable, "-m", "fedtrust"],
    ]
    installed, module = (
        subprocess.run([*program, "status", "--colour"], capture_output=True, text=True, env=environment(), check=False)
        for program in programs
    )
    forked = fedtrust("status", "--colour")  # the end-to-end tests' way to start a command
    assert (installed.returncode, installed.stderr) == (module.returncode, module.stderr) == (forked.code, forked.err)
    assert module.returncode == ExitCode.USAGE


def test_exit_codes_are_documented_one_row_each() -> None:
    rows = re.findall(r"^\|\s*`?(\d+)`?\s*\|\s*`?([A-Z_]+)`?\s*\|\s*([^|]+)\|", REFERENCE.read_text(), re.MULTILINE)
    documented = {int(number): name for number, name, _ in rows}
    assert len(documented) == len(rows)
    assert documented == {int(code): code.name for code in ExitCode}
    assert all(len(meaning.strip()) > 10 or int(number) == 0 for number, _, meaning in rows)


def _families() -> list[type[FedtrustError]]:
    found, new = list[type[FedtrustError]](), [FedtrustError]
    while new:
        found += new
        new = [child for parent in new for child in parent.__subclasses__()]
    return sorted(found, key=lambda family: f"{family.__module__}.{family.__qualname__}")


def test_every_code_belongs_to_an_error_or_to_the_command_line() -> None:
    of_errors = {family.exit_code for family in _families()}
    assert set(ExitCode) - of_errors <= {
        ExitCode.OK, ExitCode.USAGE, ExitCode.AUDIT_FAILED, ExitCode.INTERRUPTED,
    }  # fmt: skip


@pytest.mark.parametrize("family", _families(), ids=lambda family: family.__name__)
def test_every_error_is_told_with_its_code(family: type[FedtrustError]) -> None:
    error = family.__new__(family)
    FedtrustError.__init__(error, "something is wrong", expected=1, got=2, advice="mend it")

    @click.command()
    @click.option("--json", is_flag=True)
    def broken(json: bool) -> None:
        raise error

    assert run(broken, []) == family.exit_code
    assert error.diagnostics() == "something is wrong\n  expected: 1\n  got: 2\n  what to do: mend it"


def test_a_fault_of_ours_is_code_1_with_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    @click.command()
    def broken() -> None:
        raise ZeroDivisionError("on purpose")

    assert run(broken, []) == ExitCode.INTERNAL
    err = capsys.readouterr().err
    assert "ZeroDivisionError: on purpose" in err
    assert "please report it" in err


def test_interruptions_are_code_130() -> None:
    @click.command()
    def interrupted() -> None:
        raise KeyboardInterrupt

    assert run(interrupted, []) == ExitCode.INTERRUPTED


def test_usage_errors_are_json_too() -> None:
    outcome = fedtrust_here("status", "--json", "--colour", "blue")
    assert outcome.code == ExitCode.USAGE
    body = json.loads(outcome.err)
    assert body["exit_code"] == ExitCode.USAGE
    assert "--colour" in body["message"]
