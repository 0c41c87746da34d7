"""``fedtrust identity``: make an identity folder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.crypto.encoding import from_hex, to_hex
from fedtrust.errors import EncodingError, KeyFileError
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PUBLIC_FILE, create_identity

ROLES = {"operator": Role.NONE, "participant": Role.PARTICIPANT, "trustee": Role.TRUSTEE, "aggregator": Role.AGGREGATOR}


@click.command(epilog="Example: fedtrust identity --role participant --out clinic --passphrase-file clinic.pass")
@click.option("--role", type=click.Choice(list(ROLES)), required=True, help="What the identity will be registered as.")
@click.option("--out", type=options.folder, required=True, help="The new identity folder.")
@click.option("--private-key", type=options.file, help="File with an existing account's key (hex); else a new one.")
@options.passphrase
@options.as_json
def identity(role: str, out: Path, private_key: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Make an identity: account, TLS certificate and sealing key, under one passphrase.

    Hand OUT/identity.json to the operator; everything else in the folder stays with you.
    """
    key = None
    if private_key is not None:
        try:
            key = from_hex(options.read_key_file(private_key, "the private key").decode().strip(), 32, str(private_key))
        except (EncodingError, UnicodeDecodeError):
            raise KeyFileError(f"{private_key} is not a private key", expected="0x and 64 hex digits") from None
    public = create_identity(out, ROLES[role], options.read_passphrase(passphrase_file, confirm=True), private_key=key)
    if as_json:
        body = {"account": public.account, "role": role, "identity": str(out / PUBLIC_FILE)}
        click.echo(json.dumps(body | {"certificate_fingerprint": to_hex(public.certificate_fingerprint)}))
    else:
        click.echo(f"{role} {public.account}\nhand to the operator: {out / PUBLIC_FILE}")
