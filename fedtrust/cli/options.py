"""Options that several commands share, and how the passphrase is found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from fedtrust.compute.selection import MAXIMUM_WORKERS, available_cores
from fedtrust.crypto.table_cache import DEFAULT_TABLE_BYTES
from fedtrust.errors import ConfigurationError, EncodingError, KeyFileError, PassphraseError
from fedtrust.ledger.types import Address
from fedtrust.protocol.fields import address
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS

F = TypeVar("F", bound=Callable[..., Any])

PASSPHRASE_VARIABLE = "FEDTRUST_PASSPHRASE"  # noqa: S105  # the name of a variable, not a secret


class AddressType(click.ParamType[Address]):
    """An EIP-55 checksummed address."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """See click.ParamType."""
        try:
            return address(value, "address")
        except EncodingError:
            self.fail(f"{value!r} is not an EIP-55 checksummed address", param, ctx)


def options(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Join option decorators into one."""

    def apply(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return apply


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs instead of text for people.")

chain = options(
    click.option(
        "--rpc",
        default="http://127.0.0.1:8545",
        show_default=True,
        envvar="FEDTRUST_RPC",
        help="JSON-RPC address of an Ethereum node.",
    ),
    click.option("--chain-id", type=int, envvar="FEDTRUST_CHAIN_ID", help="Refuse to work on any other chain."),
    click.option(
        "--confirmations", type=click.IntRange(0), default=0, show_default=True, help="Blocks on top before we believe."
    ),
)

contract = click.option(
    "--contract", type=AddressType(), required=True, envvar="FEDTRUST_CONTRACT", help="The Federation contract."
)

passphrase = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    envvar="FEDTRUST_PASSPHRASE_FILE",
    help=f"File whose first line is the passphrase (else ${PASSPHRASE_VARIABLE}, else a prompt).",
)

workers = click.option(
    "--workers",
    type=click.IntRange(1, MAXIMUM_WORKERS),
    default=available_cores,
    show_default="all cores",
    envvar="FEDTRUST_WORKERS",
    help="Cores to compute with; processes start only for work that is worth them.",
)

table_memory = click.option(
    "--table-memory",
    type=click.IntRange(0),
    default=DEFAULT_TABLE_BYTES >> 20,
    show_default=True,
    envvar="FEDTRUST_TABLE_MEMORY",
    help="MiB for the table that makes encryption fast, in memory and on disk; 0: none.",
)

minimum_quorum = click.option(
    "--minimum-quorum",
    type=click.IntRange(MINIMUM_PARTICIPANTS),
    default=MINIMUM_PARTICIPANTS,
    show_default=True,
    help="Refuse rounds with a lower quorum: two more than the number of participants that may collude.",
)

folder = click.Path(file_okay=False, path_type=Path)
file = click.Path(dir_okay=False, path_type=Path)


def read_passphrase(passphrase_file: Path | None, *, confirm: bool = False) -> str:
    """Return the passphrase: from the file, the environment, or the terminal. Raises PassphraseError."""
    if passphrase_file is not None:
        try:
            lines = passphrase_file.read_text().splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise PassphraseError(f"cannot read the passphrase file {passphrase_file}", got=error) from None
        if not lines or not lines[0]:
            raise PassphraseError(f"the passphrase file {passphrase_file} is empty")
        return lines[0]
    if PASSPHRASE_VARIABLE in os.environ:
        return os.environ[PASSPHRASE_VARIABLE]
    if not sys.stdin.isatty():
        raise PassphraseError("no passphrase was given", advice=f"use --passphrase-file or set {PASSPHRASE_VARIABLE}")
    text: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm)
    return text


def read_file(path: Path, what: str) -> bytes:
    """Return a file's bytes. Raises ConfigurationError naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read {what} {path}", got=error.strerror) from None


def read_key_file(path: Path, what: str) -> bytes:
    """Return a file's bytes. Raises KeyFileError naming it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"cannot read {what} {path}", got=error.strerror) from None
