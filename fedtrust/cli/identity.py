"""``fedtrust identity``: make an identity folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.crypto.encoding import from_hex, to_hex
from fedtrust.errors import EncodingError, KeyFileError
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PUBLIC_FILE, create_identity, open_identity

ROLES = {"operator": Role.NONE, "participant": Role.PARTICIPANT, "trustee": Role.TRUSTEE, "aggregator": Role.AGGREGATOR}


@click.command(epilog="Example: fedtrust identity --role participant --out clinic --passphrase-file clinic.pass")
@click.option("--role", type=click.Choice(list(ROLES)), help="What the identity will be admitted as.")
@click.option(
    "--successor-of",
    type=options.folder,
    help="Keep role, account and sealing key of this identity: only the certificate is new. See `fedtrust rotate`.",
)
@click.option("--out", type=options.folder, required=True, help="The new identity folder.")
@click.option("--private-key", type=options.file, help="File with an existing account's key (hex); else a new one.")
@options.passphrase
@options.as_json
def identity(
    role: str | None,
    successor_of: Path | None,
    out: Path,
    private_key: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make an identity: account, TLS certificate and sealing key, under one passphrase.

    Hand OUT/identity.json to the operator; everything else in the folder stays with you.
    """
    if (role is None) == (successor_of is None):
        raise click.UsageError("say --role for a new identity, or --successor-of for another certificate of one")
    if successor_of is not None and private_key is not None:
        raise click.UsageError("--successor-of keeps the account; leave --private-key out")
    key, sealing = None if private_key is None else _read_private_key(private_key), None
    passphrase = options.read_passphrase(passphrase_file, confirm=successor_of is None)
    if successor_of is None:
        made_for = ROLES[str(role)]
    else:
        before = open_identity(successor_of, passphrase)
        made_for, key, sealing = before.public.role, before.private_key, before.sealing
    public = create_identity(out, made_for, passphrase, private_key=key, sealing=sealing)
    word = next(word for word, each in ROLES.items() if each is public.role)
    if as_json:
        body = {"account": public.account, "role": word, "identity": str(out / PUBLIC_FILE)}
        click.echo(json.dumps(body | {"certificate_fingerprint": to_hex(public.certificate_fingerprint)}))
    elif successor_of is None:
        click.echo(f"{word} {public.account}\nhand to the operator: {out / PUBLIC_FILE}")
    else:
        click.echo(f"{word} {public.account}, another certificate; register it with `fedtrust rotate --to {out}`")


def _read_private_key(path: Path) -> bytes:
    try:
        return from_hex(options.read_key_file(path, "the private key").decode().strip(), 32, str(path))
    except (EncodingError, UnicodeDecodeError):
        raise KeyFileError(f"{path} is not a private key", expected="0x and 64 hex digits") from None
