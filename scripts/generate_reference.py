"""Write what the code says of itself into docs/reference: generate_reference.py [--check]."""

import click
from embedding import ROOT, run, table

from fedtrust.audit import catalogue
from fedtrust.audit.checks import Check
from fedtrust.cli.main import cli

WIDTH = 100


def commands() -> str:
    """Return every command's --help."""
    group = click.Context(cli, info_name="fedtrust", terminal_width=WIDTH, max_content_width=WIDTH)
    parts = []
    for name in cli.list_commands(group):
        command = cli.get_command(group, name)
        if command is not None:
            context = click.Context(
                command, parent=group, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH
            )
            parts.append(f"## fedtrust {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)


def checks(chosen: tuple[Check, ...]) -> str:
    return table(
        ("check", "name", "establishes that"), [(check.number, f"`{check.id}`", check.title) for check in chosen]
    )


def limitations() -> str:
    return table(("not established by any audit", "why"), [(each.what, each.why) for each in catalogue.LIMITATIONS])


if __name__ == "__main__":
    reference = ROOT / "docs" / "reference"
    run(
        {
            reference / "commands.md": {"commands": commands()},
            reference / "audit-checks.md": {
                "federation": checks(catalogue.FEDERATION_CHECKS),
                "rounds": checks(catalogue.ROUND_CHECKS),
                "limitations": limitations(),
            },
        }
    )
