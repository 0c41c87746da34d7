"""The ``fedtrust`` command: one group, one place where errors become messages and exit codes."""

from __future__ import annotations

import importlib
import json
import sys
import traceback
import warnings

import click

from fedtrust import __version__
from fedtrust.errors import ExitCode, FedtrustError

COMMANDS = {
    "admit": ("fedtrust.cli.operator", "Let accounts register themselves for their roles."),
    "aggregator": ("fedtrust.cli.aggregator", "Run the aggregator: open rounds, add encrypted updates, publish."),
    "audit": ("fedtrust.cli.audit", "Verify every round from the chain and the artifacts alone."),
    "ceremony": ("fedtrust.cli.ceremony", "Make the committee's key and seal each trustee's share."),
    "claim": ("fedtrust.cli.rewards", "Withdraw what was credited to our account."),
    "compare": ("fedtrust.cli.learning", "Compare federated, alone and pooled training over seeded splits."),
    "demo": ("fedtrust.cli.demo", "Run a whole federation on this machine, and audit it."),
    "deploy": ("fedtrust.cli.deploy", "Deploy a Federation contract, publish the key, fund the pool."),
    "devnet": ("fedtrust.cli.devnet", "Run a development chain until Ctrl-C."),
    "doctor": ("fedtrust.cli.doctor", "Say what this machine computes with, and verify that it computes rightly."),
    "expire": ("fedtrust.cli.rewards", "Return rewards that nobody claimed in time to the pool."),
    "fund": ("fedtrust.cli.rewards", "Put money into the reward pool."),
    "head": ("fedtrust.cli.head", "Prove a round's head to somebody who trusts a block hash only; verify it."),
    "identity": ("fedtrust.cli.identity", "Make an identity: account, TLS certificate, sealing key."),
    "key": ("fedtrust.cli.key", "Verify a committee's key; make a key of one holder, exchange it with phe."),
    "leave": ("fedtrust.cli.membership", "Leave the federation; the stake comes back later."),
    "model": ("fedtrust.cli.learning", "Write the model that round 1 starts from."),
    "participant": ("fedtrust.cli.participant", "Train on our own data, send encrypted, signed updates."),
    "register": ("fedtrust.cli.membership", "Register ourselves, and pay our stake."),
    "release": ("fedtrust.cli.membership", "Free the stake of an identity that left or was revoked."),
    "resume": ("fedtrust.cli.membership", "Be drawn again after missing too many selections."),
    "revoke": ("fedtrust.cli.operator", "Revoke an account."),
    "rotate": ("fedtrust.cli.membership", "Replace our certificate or our account; keep stake and reputation."),
    "status": ("fedtrust.cli.status", "Show identities, stakes, rounds and disputes, from the chain alone."),
    "trustee": ("fedtrust.cli.trustee", "Check each round's aggregate, then help to decrypt the sum."),
    "watch": ("fedtrust.cli.watch", "Recompute every aggregate; dispute what is wrong on chain."),
}
"""Command -> the module that defines it, and a line about it: an auditor's machine never imports what a participant
needs, not even to list the commands."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See click.Group."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """See click.Group."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click.Group; imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in sorted(COMMANDS)])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="fedtrust")
def cli() -> None:
    """Trusted federated learning on an Ethereum chain.

    \b
    Operators    devnet, ceremony, deploy, admit, revoke
    Members      identity, register, rotate, resume, leave, release
    Nodes        aggregator, trustee, participant
    Anybody      audit, doctor, head, status, watch
    Money        fund, claim, expire
    Trying out   demo, key, model, compare

    Exit codes are documented in docs/reference/exit-codes.md; every command takes --json.
    """


def run(command: click.Command, arguments: list[str] | None = None, name: str = "fedtrust") -> int:
    """Run ``command`` and return its exit code; errors are printed to standard error, as JSON with ``--json``."""
    words = sys.argv[1:] if arguments is None else arguments
    as_json = "--json" in words
    try:
        code = command.main(args=words, prog_name=name, standalone_mode=False)
        return int(code) if isinstance(code, int) else int(ExitCode.OK)
    except FedtrustError as error:
        _show(error, as_json)
        return int(error.exit_code)
    except click.exceptions.Abort:
        return int(ExitCode.INTERRUPTED)
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        if as_json:
            body = {"error": "UsageError", "exit_code": int(ExitCode.USAGE), "message": error.format_message()}
            click.echo(json.dumps(body), err=True)
        else:
            error.show()
        return int(ExitCode.USAGE)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except Exception:
        traceback.print_exc()
        click.echo("this is a fault in fedtrust: please report it with the lines above", err=True)
        return int(ExitCode.INTERNAL)


def _show(error: FedtrustError, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(error.to_json()), err=True)
    else:
        click.echo(f"error: {error.diagnostics()}", err=True)


def main() -> None:
    """Run the command line and exit."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"
    sys.exit(run(cli))
