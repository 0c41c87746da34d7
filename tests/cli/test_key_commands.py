"""``fedtrust key``: every command does what it says, leaves files only their owner reads, and refuses with a reason."""

from __future__ import annotations

import json
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.cli.key import key
from fedtrust.crypto.ceremony import TrusteeIdentity, run_ceremony
from fedtrust.crypto.key_file import SCRYPT_COST, KeyFileHeader, seal_with_passphrase
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.paillier import encrypt_vector
from fedtrust.crypto.phe_interchange import private_key_to_pheutil
from fedtrust.crypto.single_holder import SingleHolderKey, decrypt_vector
from fedtrust.errors import ExitCode
from tests.e2e.federation import fedtrust_here
from tests.fixtures.keys import test_primes

PASSPHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest, a passphrase, a single holder's key file and the same key as pheutil has it."""
    folder = tmp_path_factory.mktemp("keys")
    identities = [
        TrusteeIdentity(f"0x{i:040x}", X25519PrivateKey.generate().public_key().public_bytes_raw()) for i in (1, 2, 3)
    ]
    made = run_ceremony(identities, 2, primes=test_primes(2048))
    (folder / "manifest.json").write_bytes(made.manifest.to_bytes())
    (folder / "pass").write_text(PASSPHRASE + "\n")
    (folder / "wrong").write_text("another passphrase\n")
    holder = SingleHolderKey(*test_primes(2048))  # type: ignore[arg-type]
    (folder / "our.key").write_bytes(holder.to_bytes(PASSPHRASE))
    (folder / "phe.json").write_bytes(private_key_to_pheutil(holder))
    return folder


def test_create_then_show_then_decrypt(tmp_path: Path, place: Path) -> None:
    out = tmp_path / "new" / "our.key"
    made = fedtrust_here(
        "key", "create", "--single-holder", "--bits", 2048, "--out", out, "--passphrase-file", place / "pass", "--json"
    )
    assert made.code == ExitCode.OK, made.err
    assert "can read every single update" in made.err
    assert made.json["bits"] == 2048
    assert made.json["file"] == str(out)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [p.name for p in out.parent.iterdir()] == ["our.key"]
    assert KeyFileHeader.read(out.read_bytes()).cost == SCRYPT_COST
    opened = SingleHolderKey.from_bytes(out.read_bytes(), PASSPHRASE)
    assert decrypt_vector(opened, encrypt_vector(opened.public_key, [7]).ciphertexts) == (7,)
    shown = fedtrust_here("key", "show", out, "--passphrase-file", place / "pass", "--json")
    assert shown.code == ExitCode.OK
    assert shown.json["kind"] == "single-holder key"
    assert {k: shown.json[k] for k in ("bits", "fingerprint", "n")} == {
        k: made.json[k] for k in ("bits", "fingerprint", "n")
    }
    assert int(shown.json["n"], 16) == opened.public_key.n
    for text in (made.out + made.err, shown.out + shown.err):
        assert f"{opened.p:x}"[20:60] not in text
        assert str(opened.q)[20:60] not in text


def test_verify_a_manifest_with_nothing_but_the_file(place: Path) -> None:
    told = fedtrust_here("key", "verify", place / "manifest.json")
    assert told.code == ExitCode.OK
    assert told.out.count("verified: ") == 3
    as_json = fedtrust_here("key", "verify", place / "manifest.json", "--json").json
    manifest = KeyManifest.from_bytes((place / "manifest.json").read_bytes())
    assert as_json["verified"] is True
    assert len(as_json["checks"]) == 3
    assert as_json["key_id"] == "0x" + manifest.key_id.hex()
    assert (as_json["threshold"], len(as_json["trustees"]), as_json["bits"]) == (2, 3, 2048)
    shown = fedtrust_here("key", "show", place / "manifest.json", "--json").json
    assert {**shown, "verified": True, "checks": as_json["checks"]} == as_json
    assert as_json["key_id"] in fedtrust_here("key", "show", place / "manifest.json").out


def test_to_phe_and_back(tmp_path: Path, place: Path) -> None:
    public, private, again = (tmp_path / name for name in ("public.json", "private.json", "again.key"))
    secret = ("--passphrase-file", place / "pass")
    half = fedtrust_here("key", "export-phe", place / "our.key", "--public", "--out", public, *secret, "--json")
    assert (half.code, half.json["half"], half.err.count("in the clear")) == (0, "public", 0)
    assert "p" not in json.loads(public.read_text())
    whole = fedtrust_here("key", "export-phe", place / "our.key", "--out", private, *secret)
    assert whole.code == ExitCode.OK
    assert "in the clear" in whole.err
    assert private.read_bytes() == (place / "phe.json").read_bytes()
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    back = fedtrust_here("key", "import-phe", private, "--out", again, *secret, "--json")
    assert back.code == ExitCode.OK, back.err
    assert "can read every single update" in back.err
    assert SingleHolderKey.from_bytes(again.read_bytes(), PASSPHRASE) == SingleHolderKey.from_bytes(
        (place / "our.key").read_bytes(), PASSPHRASE
    )
    assert json.loads(public.read_text())["n"] == json.loads(private.read_text())["pub"]["n"]


def test_show_says_of_any_key_file_what_it_is_for(tmp_path: Path) -> None:
    """Without a passphrase: there is nothing to open it for."""
    path = tmp_path / "secrets.key"
    path.write_bytes(seal_with_passphrase(bytes(64), PASSPHRASE, "fedtrust/identity/v1/0x0", cost=14))
    shown = fedtrust_here("key", "show", path, "--json")
    assert shown.json == {"kind": "key file", "purpose": "fedtrust/identity/v1/0x0", "scrypt_n": 1 << 14}


def altered(place: Path, tmp_path: Path, change: Callable[[dict[str, object]], None]) -> Path:
    value = json.loads((place / "manifest.json").read_text())
    change(value)
    path = tmp_path / "altered.json"
    path.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")))
    return path


def swap_verification_keys(value: dict[str, object]) -> None:
    first, second, *_ = value["trustees"]  # type: ignore[misc]
    first["verification"], second["verification"] = second["verification"], first["verification"]


def swap_roots(value: dict[str, object]) -> None:
    roots = value["key_proof"]
    assert isinstance(roots, list)
    roots[0], roots[1] = roots[1], roots[0]


def another_v(value: dict[str, object]) -> None:
    value["v"] = value["h"]


def another_h(value: dict[str, object]) -> None:
    value["h"] = value["v"]


def another_threshold(value: dict[str, object]) -> None:
    value["threshold"] = 3


def a_surprise(value: dict[str, object]) -> None:
    value["surprise"] = 1


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        (swap_verification_keys, ExitCode.PROOF, "verification keys of trustees"),
        (swap_roots, ExitCode.PROOF, "key proof: root 0 is wrong"),
        (another_v, ExitCode.PROOF, "v is not the value hashed from n"),
        (another_h, ExitCode.PROOF, "h is not the value hashed from n"),
        (another_threshold, ExitCode.PROOF, "fewer than 3 trustees could decrypt"),
        (a_surprise, ExitCode.ARTIFACT, "key manifest is malformed"),
    ],
)
def test_a_manifest_that_does_not_hold_is_refused_with_its_reason(
    place: Path, tmp_path: Path, change: Callable[[dict[str, object]], None], code: ExitCode, reason: str
) -> None:
    told = fedtrust_here("key", "verify", altered(place, tmp_path, change), "--json")
    assert told.code == code
    assert told.out == ""
    assert reason in json.loads(told.err.splitlines()[-1])["message"]


REFUSALS: dict[str, tuple[Callable[[Path, Path], list[object]], ExitCode, str]] = {
    "a manifest that is not there": (lambda p, t: ["verify", t / "nowhere"], ExitCode.KEY_FILE, "cannot read"),
    "a key that is not there": (lambda p, t: ["show", t / "nowhere"], ExitCode.KEY_FILE, "cannot read"),
    "a key file that is none": (lambda p, t: ["show", p / "pass"], ExitCode.KEY_FILE, "is not a key file"),
    "exporting a manifest": (
        lambda p, t: ["export-phe", p / "manifest.json", "--out", t / "o"],
        ExitCode.KEY_FILE,
        "is not a key file",
    ),
    "a wrong passphrase": (
        lambda p, t: ["show", p / "our.key", "--passphrase-file", p / "wrong"],
        ExitCode.PASSPHRASE,
        "does not open",
    ),
    "a short passphrase": (
        lambda p, t: ["create", "--single-holder", "--out", t / "o", "--passphrase-file", short(t)],
        ExitCode.CONFIGURATION,
        "shorter than 8",
    ),
    "a key for which nobody said who holds it": (
        lambda p, t: ["create", "--out", t / "o"],
        ExitCode.USAGE,
        "--single-holder",
    ),
    "a key that is too short": (
        lambda p, t: ["create", "--single-holder", "--bits", 1024, "--out", t / "o"],
        ExitCode.USAGE,
        "--bits",
    ),
    "a key of a strange size": (
        lambda p, t: ["create", "--single-holder", "--bits", 2049, "--out", t / "o", "--passphrase-file", p / "pass"],
        ExitCode.CONFIGURATION,
        "multiple of 16",
    ),
    "creating over a file": (
        lambda p, t: ["create", "--single-holder", "--out", p / "our.key", "--passphrase-file", p / "pass"],
        ExitCode.CONFIGURATION,
        "exists already",
    ),
    "exporting over a file": (
        lambda p, t: ["export-phe", p / "our.key", "--out", p / "phe.json", "--passphrase-file", p / "pass"],
        ExitCode.CONFIGURATION,
        "exists already",
    ),
    "importing over a file": (
        lambda p, t: ["import-phe", p / "phe.json", "--out", p / "our.key", "--passphrase-file", p / "pass"],
        ExitCode.CONFIGURATION,
        "exists already",
    ),
    "importing something else": (
        lambda p, t: ["import-phe", p / "manifest.json", "--out", t / "o", "--passphrase-file", p / "pass"],
        ExitCode.KEY_FILE,
        "not a private key of pheutil",
    ),
    "importing a key that phe made": (
        lambda p, t: ["import-phe", made_by_pheutil(t), "--out", t / "o", "--passphrase-file", p / "pass"],
        ExitCode.CONFIGURATION,
        "not made of safe primes",
    ),
    "a key command that there is not": (lambda p, t: ["conquer"], ExitCode.USAGE, "conquer"),
}


def short(folder: Path) -> Path:
    (folder / "short").write_text("1234567\n")
    return folder / "short"


def made_by_pheutil(folder: Path) -> Path:
    program = Path(sys.executable).parent / "pheutil"
    if not (folder / "theirs").exists():
        subprocess.run([program, "genpkey", folder / "theirs"], check=True, capture_output=True, timeout=60)
    return folder / "theirs"


@pytest.mark.parametrize("situation", REFUSALS)
def test_bad_input_is_told_and_numbered(
    place: Path, tmp_path: Path, situation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FEDTRUST_PASSPHRASE", raising=False)
    words, code, reason = REFUSALS[situation]
    before = {p.name: p.read_bytes() for p in place.iterdir()}
    for more in ((), ("--json",)):
        told = fedtrust_here("key", *words(place, tmp_path), *more)
        assert told.code == code, told.err
        assert "Traceback" not in told.err
        assert not (tmp_path / "o").exists()
    body = json.loads(told.err.splitlines()[-1])
    assert body["exit_code"] == code
    assert reason in " ".join(map(str, body.values()))
    assert {p.name: p.read_bytes() for p in place.iterdir()} == before


@pytest.mark.parametrize("name", sorted(key.commands))
def test_help_shows_an_example_that_the_command_understands(name: str) -> None:
    outcome = fedtrust_here("key", name, "--help")
    assert outcome.code == ExitCode.OK
    assert "--json" in outcome.out
    command = key.commands[name]
    assert command.epilog is not None
    words = shlex.split(command.epilog.removeprefix("Example: "))
    assert words[:3] == ["fedtrust", "key", name]
    command.make_context(name, words[3:])
    assert all(p.help for p in command.params if isinstance(p, click.Option))
