"""``fedtrust ceremony``: make the committee's key and seal each trustee's share."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.crypto.ceremony import TrusteeIdentity, run_ceremony
from fedtrust.crypto.encoding import to_hex
from fedtrust.errors import ConfigurationError, IdentityError
from fedtrust.ledger.types import Role
from fedtrust.nodes.identity import PublicIdentity

MANIFEST_FILE = "manifest.json"


def share_file(index: int) -> str:
    """Return the name of trustee ``index``'s sealed share."""
    return f"share-{index}.sealed"


@click.command(
    epilog="Example: fedtrust ceremony --threshold 2 --out key trustee-1 trustee-2 trustee-3",
)
@click.argument("trustees", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--threshold", type=click.IntRange(1), required=True, help="How many trustees it takes to decrypt a sum.")
@click.option("--out", type=options.folder, required=True, help="Folder for the manifest and the sealed shares.")
@click.option("--bits", type=click.IntRange(2048), default=3072, show_default=True, help="Size of the modulus.")
@click.option(
    "--test-key",
    type=options.file,
    help="JSON file with known safe primes p and q, instead of new ones. Anybody who has the file can decrypt.",
)
@options.as_json
def ceremony(
    trustees: tuple[Path, ...], threshold: int, out: Path, bits: int, test_key: Path | None, as_json: bool
) -> None:
    """Make the key of a committee; TRUSTEES are identity folders or identity.json files, in share order.

    Writes OUT/manifest.json (public) and OUT/share-N.sealed, which only trustee N can open. The secret key exists in
    this process only, and is forgotten when it ends.
    """
    if (out / MANIFEST_FILE).exists():
        raise ConfigurationError(f"{out} already holds a key manifest", advice="name another folder")
    identities = [PublicIdentity.read(path) for path in trustees]
    for path, found in zip(trustees, identities, strict=True):
        if found.role is not Role.TRUSTEE:
            raise IdentityError(f"{path} is not a trustee's identity", expected="trustee", got=found.role.name.lower())
    primes = None if test_key is None else _read_test_key(test_key)
    if primes is not None:
        click.echo("warning: this is a public test key; anybody can decrypt what is encrypted under it", err=True)

    def progress(line: str) -> None:
        if not as_json:
            click.echo(line)

    made = run_ceremony(
        [TrusteeIdentity(i.account, i.sealing_key) for i in identities],
        threshold,
        bits=bits,
        primes=primes,
        progress=progress,
    )
    out.mkdir(parents=True, exist_ok=True)
    for index, sealed in enumerate(made.sealed_shares, start=1):
        (out / share_file(index)).write_bytes(sealed)
    (out / MANIFEST_FILE).write_bytes(made.manifest.to_bytes())
    body = {
        "bits": made.manifest.public_key.bits,
        "key_id": to_hex(made.manifest.key_id),
        "manifest": str(out / MANIFEST_FILE),
        "threshold": threshold,
        "trustees": len(identities),
    }
    if as_json:
        click.echo(json.dumps(body))
    else:
        click.echo(f"{threshold} of {len(identities)} key, {body['bits']} bits: {out / MANIFEST_FILE}")


def _read_test_key(path: Path) -> tuple[int, int]:
    try:
        value = json.loads(options.read_file(path, "the test key"))
        return int(value["p"], 16), int(value["q"], 16)
    except (ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{path} is not a test key", expected="JSON with p and q in hex") from None
