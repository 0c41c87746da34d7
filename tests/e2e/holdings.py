"""Everything that a node holds: its files, what its keys open, the memory of its process. And searches through it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import gmpy2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from fedtrust.crypto.encoding import int_to_fixed
from fedtrust.crypto.manifest import KeyManifest
from fedtrust.crypto.sealing import open_sealed
from fedtrust.crypto.threshold import KeyShare, verify_share
from fedtrust.errors import KeyFileError
from fedtrust.nodes.identity import TLS_FILE, open_identity
from tests.e2e.people import light_key_files


@dataclass(frozen=True, slots=True)
class Holdings:
    """Bytes by where they were found."""

    files: Mapping[str, bytes]
    secrets: Mapping[str, bytes]

    @property
    def everything(self) -> dict[str, bytes]:
        return {**self.files, **self.secrets}


def gather(folders: Iterable[Path], identity: Path, passphrase: str, manifest: KeyManifest) -> Holdings:
    """Read every file, and open with the identity's keys whatever they open: sealed shares of anybody, too.

    SQLite files are read as they are and once more as one file with their write-ahead log taken in.
    """
    files = {str(p): p.read_bytes() for folder in (*folders, identity) for p in _files(folder)}
    files |= {f"{p} (all pages)": _merged(p) for folder in folders for p in _files(folder) if p.suffix == ".sqlite"}
    with light_key_files():
        opened = open_identity(identity, passphrase)
    tls = serialization.load_pem_private_key(files[str(identity / TLS_FILE)], opened.tls_password)
    assert isinstance(tls, EllipticCurvePrivateKey)
    secrets = {
        "passphrase": passphrase.encode(),
        "account key": opened.private_key,
        "sealing key": opened.sealing.private_bytes_raw(),
        "password of the TLS key": opened.tls_password,
        "TLS key": int_to_fixed(tls.private_numbers().private_value, 32),
    }
    for where, key in list(secrets.items()):
        if len(key) != 32:
            continue
        for path, data in list(files.items()):
            for index in range(1, len(manifest.trustees) + 1):
                context = b"fedtrust/key-share/v1" + manifest.key_id + int_to_fixed(index, 2)
                with contextlib.suppress(KeyFileError):
                    secrets[f"{path} opened with {where}"] = open_sealed(
                        X25519PrivateKey.from_private_bytes(key), data, context
                    )
    return Holdings(files, secrets)


def _files(folder: Path) -> list[Path]:
    return [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())


def _merged(path: Path) -> bytes:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return connection.serialize()


@contextlib.contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def memory(pid: int) -> Iterator[tuple[str, bytes]]:
    """Yield the readable memory of our own child ``pid``, region by region, while it stands still."""
    with stopped(pid), open(f"/proc/{pid}/mem", "rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            place, mode, *rest = line.split()
            first, last = (int(end, 16) for end in place.split("-"))
            if "w" not in mode or (rest and rest[-1] in ("[vvar]", "[vsyscall]")):
                continue  # nothing is ever stored in what cannot be written
            with contextlib.suppress(OSError):
                yield place, os.pread(file.fileno(), last - first, first)


def encodings(value: int) -> dict[str, bytes]:
    """Return how a large integer may stand somewhere: the inner half of each form, so that remains are found too.

    Little-endian bytes are also GMP's limbs; CPython keeps 30 bits in each 4 bytes.
    """
    size = (value.bit_length() + 7) // 8
    digits = b"".join((value >> shift & (1 << 30) - 1).to_bytes(4, "little") for shift in range(0, 8 * size, 30))
    whole = {
        "big-endian": value.to_bytes(size, "big"),
        "little-endian": value.to_bytes(size, "little"),
        "hex": f"{value:x}".encode(),
        "upper-case hex": f"{value:X}".encode(),
        "decimal": str(value).encode(),
        "a Python integer": digits,
    }
    return {name: _inner_half(data) for name, data in whole.items()}


def _inner_half(data: bytes) -> bytes:
    quarter = len(data) // 16 * 4
    return data[quarter : len(data) - quarter]


def find(known: Mapping[str, int], places: Iterable[tuple[str, bytes]]) -> set[str]:
    """Return which of the ``known`` secrets stand anywhere, in any encoding."""
    forms = [(name, form) for name, value in known.items() for form in encodings(value).values()]
    return {name for _, data in places for name, form in forms if form in data}


def shares_in(manifest: KeyManifest, data: bytes) -> set[int]:
    """Return the indices of all shares that stand in ``data`` as a number of the key's size, at any offset.

    Nothing needs to be known of the shares: every window w of the right size is tried as one, big- and little-endian,
    against the public verification keys, v^(D w) = v_i. From one window to the next the power is rolled on:
    w' = 256 (w - 256^(size-1) first) + next. What hits is confirmed with ``verify_share``.
    """
    found = set()
    # a little-endian number is a big-endian one in the reversed bytes
    runs = [run[shift:] for run in re.findall(rb"[0-9a-fA-F]{400,}", data) for shift in (0, 1)]
    for stream in (data, data[::-1], *(bytes.fromhex(run[: len(run) // 2 * 2].decode()) for run in runs)):
        for start, index in _hits(manifest, stream):
            share = KeyShare(index, gmpy2.mpz(int.from_bytes(stream[start : start + _width(manifest)], "big")))
            verify_share(manifest, share)
            found.add(index)
    return found


def _width(manifest: KeyManifest) -> int:
    return manifest.public_key.plaintext_bytes


def _hits(manifest: KeyManifest, stream: bytes) -> Iterator[tuple[int, int]]:
    n, width = manifest.public_key.n, _width(manifest)
    if len(stream) < width:
        return
    base = gmpy2.powmod(manifest.v, manifest.delta, n)
    top = gmpy2.invert(gmpy2.powmod(base, gmpy2.mpz(256) ** (width - 1), n), n)
    entering = [gmpy2.powmod(base, byte, n) for byte in range(256)]
    leaving = [gmpy2.powmod(top, byte, n) for byte in range(256)]
    wanted = {trustee.verification: trustee.index for trustee in manifest.trustees}
    power = gmpy2.powmod(base, int.from_bytes(stream[:width], "big"), n)
    for start in range(len(stream) - width + 1):
        if power in wanted:
            yield start, wanted[power]
        if start + width < len(stream):
            rest = power * leaving[stream[start]] % n
            power = gmpy2.powmod(rest, 256, n) * entering[stream[start + width]] % n
