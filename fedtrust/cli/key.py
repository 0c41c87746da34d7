"""``fedtrust key``: verify a committee's key; make, show and exchange a key of one holder."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fedtrust.cli import options
from fedtrust.crypto.encoding import int_to_fixed, sha256, to_hex
from fedtrust.crypto.key_file import KeyFileHeader, require_passphrase
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import PublicKey
from fedtrust.crypto.single_holder import PURPOSE, SingleHolderKey
from fedtrust.errors import ConfigurationError
from fedtrust.nodes.secret_files import create_secret_file

SINGLE_HOLDER_WARNING = "warning: who has this key file and its passphrase can read every single update under the key"
CLEAR_WARNING = "warning: this file holds the private key in the clear; delete it when phe has it"

VERIFIED = (
    "n has no small factor, and its n-th roots prove gcd(n, phi(n)) = 1",
    "h and v are the values that everybody computes from n",
    "the trustees' verification keys fit n: as many as the threshold can decrypt, and no fewer",
)
"""What a manifest that parses has passed (:meth:`KeyManifest.verify`)."""

new_file = click.option("--out", type=options.file, required=True, help="The new file; never overwrites one.")


@click.group(epilog="Example: fedtrust key verify key/manifest.json")
def key() -> None:
    """Verify a committee's key; make and show a key of one holder, exchange it with phe.

    Every command takes --json. A committee's key is made by `fedtrust ceremony`.
    """


@key.command(epilog="Example: fedtrust key verify key/manifest.json")
@click.argument("manifest", type=options.file)
@options.as_json
def verify(manifest: Path, as_json: bool) -> None:
    """Verify every proof in a committee's key MANIFEST, with nothing but the file.

    Ends with 53 if a proof does not hold, 54 if the file is malformed, 40 if it cannot be read, and says why. Compare
    the key id that it prints with the one on chain.
    """
    found = KeyManifest.from_bytes(options.read_key_file(manifest, "the key manifest"))
    body = _of_manifest(found)
    _print(body | {"verified": True, "checks": list(VERIFIED)}, as_json, [f"verified: {line}" for line in VERIFIED])


@key.command(epilog="Example: fedtrust key show our.key")
@click.argument("file", type=options.file)
@options.passphrase
@options.as_json
def show(file: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Show what is public about the key in FILE: a key manifest, or a key file (asks for its passphrase)."""
    data = options.read_key_file(file, "the key")
    if data[:1] == b"{":
        _print(_of_manifest(KeyManifest.from_bytes(data)), as_json)
        return
    header = KeyFileHeader.read(data, str(file))
    body: dict[str, object] = {"kind": "key file", "purpose": header.purpose, "scrypt_n": 1 << header.cost}
    if header.purpose == PURPOSE:
        body |= _of_single_holder(_open(file, passphrase_file).public_key)
    _print(body, as_json)


@key.command(epilog="Example: fedtrust key create --single-holder --out our.key --passphrase-file our.pass")
@click.option("--single-holder", is_flag=True, help="Required: we know that the holder can read every single update.")
@new_file
@click.option("--bits", type=click.IntRange(2048), default=3072, show_default=True, help="Size of the modulus.")
@options.passphrase
@options.as_json
def create(single_holder: bool, out: Path, bits: int, passphrase_file: Path | None, as_json: bool) -> None:
    """Make a key of ONE holder, in a key file under a passphrase, for use inside one organisation.

    It keeps nothing secret from its holder. A federation of several parties uses `fedtrust ceremony` instead.
    """
    if not single_holder:
        raise click.UsageError("say --single-holder; a committee's key is made by `fedtrust ceremony`")
    _require_new(out)
    passphrase = options.read_passphrase(passphrase_file, confirm=True)
    require_passphrase(passphrase)
    made = SingleHolderKey.generate(bits, None if as_json else click.echo)
    _store(made, passphrase, out, as_json)


@key.command("import-phe", epilog="Example: fedtrust key import-phe private.json --out our.key")
@click.argument("file", type=options.file)
@new_file
@options.passphrase
@options.as_json
def import_phe(file: Path, out: Path, passphrase_file: Path | None, as_json: bool) -> None:
    """Put the private key in FILE, as `pheutil` writes it, into a key file of one holder.

    Only keys made of safe primes are taken, which phe itself does not make: export a key made here instead.
    """
    from fedtrust.crypto.phe_interchange import private_key_from_pheutil

    _require_new(out)
    found = private_key_from_pheutil(options.read_key_file(file, "the key of pheutil"), str(file))
    _store(found, options.read_passphrase(passphrase_file, confirm=True), out, as_json)


@key.command("export-phe", epilog="Example: fedtrust key export-phe our.key --public --out public.json")
@click.argument("file", type=options.file)
@new_file
@click.option("--public", is_flag=True, help="Only the public key, to encrypt with.")
@options.passphrase
@options.as_json
def export_phe(file: Path, out: Path, public: bool, passphrase_file: Path | None, as_json: bool) -> None:
    """Write the single holder's key in FILE as `pheutil`, the program of phe, reads it.

    Without --public that is the private key, IN THE CLEAR: pheutil knows no passphrase.
    """
    from fedtrust.crypto.phe_interchange import private_key_to_pheutil, public_key_to_pheutil

    _require_new(out)
    found = _open(file, passphrase_file)
    create_secret_file(out, public_key_to_pheutil(found.public_key) if public else private_key_to_pheutil(found))
    if not public:
        click.echo(CLEAR_WARNING, err=True)
    half = "public" if public else "private"
    _print({"file": str(out), "half": half} | _of_single_holder(found.public_key), as_json)


def _open(file: Path, passphrase_file: Path | None) -> SingleHolderKey:
    data = options.read_key_file(file, "the key file")
    KeyFileHeader.read(data, str(file))  # nobody types a passphrase for a file that is none
    return SingleHolderKey.from_bytes(data, options.read_passphrase(passphrase_file), what=str(file))


def _store(made: SingleHolderKey, passphrase: str, out: Path, as_json: bool) -> None:
    create_secret_file(out, made.to_bytes(passphrase))
    click.echo(SINGLE_HOLDER_WARNING, err=True)
    _print({"file": str(out)} | _of_single_holder(made.public_key), as_json)


def _require_new(out: Path) -> None:
    if out.exists():
        raise ConfigurationError(f"{out} exists already", advice="name another file; nothing was overwritten")


def _of_single_holder(public: PublicKey) -> dict[str, object]:
    return {"kind": "single-holder key", **_of_modulus(public)}


def _of_manifest(manifest: KeyManifest) -> dict[str, object]:
    return {
        "kind": "committee's key manifest",
        "key_id": to_hex(manifest.key_id),
        "threshold": manifest.threshold,
        "trustees": [trustee.account for trustee in manifest.trustees],
        **_of_modulus(manifest.public_key),
    }


def _of_modulus(public: PublicKey) -> dict[str, object]:
    n = int_to_fixed(public.n, public.plaintext_bytes)
    return {"bits": public.bits, "fingerprint": to_hex(sha256(n)), "n": to_hex(n)}


def _print(body: dict[str, object], as_json: bool, more: list[str] | None = None) -> None:
    """Print for programs, or for people: all but n itself, which nobody reads."""
    if as_json:
        click.echo(json.dumps(body))
        return
    for name, value in body.items():
        if name not in ("n", "verified", "checks"):
            click.echo(f"{name.replace('_', ' ')}: {', '.join(value) if isinstance(value, list) else value}")
    for line in more or []:
        click.echo(line)
