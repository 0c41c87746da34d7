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
    return "\n\n".join(part for name in cli.list_commands(group) for part in described(cli, group, name))


def described(parent: click.Group, above: click.Context, name: str) -> list[str]:
    """Return the --help of a command, and of the commands below it."""
    command = parent.get_command(above, name)
    if command is None:
        return []
    context = click.Context(command, parent=above, info_name=name, terminal_width=WIDTH, max_content_width=WIDTH)
    parts = [f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```"]
    if isinstance(command, click.Group):
        parts += [part for below in command.list_commands(context) for part in described(command, context, below)]
    return parts


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
