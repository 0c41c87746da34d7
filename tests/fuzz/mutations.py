"""Damage to valid files: what disks, networks, other versions and other people do to bytes. Deterministic."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from fedtrust.crypto.encoding import canonical_json
from fedtrust.errors import EncodingError

_COUNTS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.5,
    -0.0,
    1e308,
    5e-324,
    2**31,
    2**53 - 1,
    2**53,
    2**64,
    10**400,
    "",
    "0",
    "0x",
    "0x00",
    "0x" + "ff" * 32,
    "0x" + "FF" * 20,
    "0x" + "00" * 5000,
    "9" * 5000,
    "١٢٣",  # Arabic digits: str.isdigit says yes
    "²",
    "\ud800",
    "\x00",
    "a" * 10_000,
    "__proto__",
    [],
    {},
    [[]],
    [None] * 2000,
    {"": ""},
)


def hostile_inputs(seeds: Sequence[bytes]) -> list[bytes]:
    """Return inputs that are known to hurt careless decoders, made for the format of ``seeds`` where that matters."""
    inputs = [
        b"",
        b"\x00",
        b"\xff" * 64,
        b"\x00" * 1_000_000,
        b"[" * 50_000,
        b"{" * 50_000,
        b'{"a":' * 20_000,
        b"[" * 25_000 + b"]" * 25_000,
        b'"' + b"\\" * 50_001,
        b"9" * 50_000,
        b'{"version":' + b"1" * 10_000 + b"}",
        b"1e999999999",
        b"-",
        b'"\\ud800"',
        b"\xff\xfe{\x00}\x00",
        b"null",
        b"0x" + b"00" * 100_000,
    ]
    for seed in seeds[:1]:
        # every place in the head that could be a count, a length or a width, at its largest, its smallest and 2^31
        for at in range(min(len(seed), 48)):
            for count in (0, 0x80000000, 0xFFFFFFFF):
                inputs.append(seed[:at] + count.to_bytes(4, "big") + seed[at + 4 :])
                inputs.append(seed[:at] + count.to_bytes(8, "little") + seed[at + 8 :])
        inputs += [seed[:length] for length in range(min(len(seed), 64))]
        inputs += [seed[:-length] for length in range(1, min(len(seed), 40))]
        inputs += [seed + seed, seed + b"\x00", seed + b"\n", b"\x00" + seed, b" " + seed, b"\xef\xbb\xbf" + seed]
    return inputs


def every_value_everywhere(data: bytes) -> Iterator[bytes]:
    """Yield the JSON document with every value in it replaced by every value of a list, one at a time."""
    for path in _paths(json.loads(data)):
        for value in _VALUES:
            document = json.loads(data)
            if not path:
                document = value
            else:
                place = document
                for step in path[:-1]:
                    place = place[step]
                place[path[-1]] = value
            try:
                yield canonical_json(document)
            except EncodingError:
                yield json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def _paths(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from ((step, *path) for path in _paths(inner))


def mutate(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of ``seeds`` with one to four changes."""
    data = rng.choice(seeds)
    if data[:1] in (b"{", b"[", b'"') and rng.random() < 0.6:
        return mutate_json(rng, data)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = _change(rng, data, seeds)
    return data


def _change(rng: random.Random, data: bytes, seeds: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    if rng.random() < 0.5:
        at = min(at, rng.randrange(80))  # heads are short and decide most
    length = min(rng.choice((1, 1, 2, 4, 8, 32, 256, 1024)), len(data) - at)
    match rng.randrange(12):
        case 0:
            return data[:at]
        case 1:
            return data + rng.randbytes(rng.choice((1, 4, 32, 512)))
        case 2 if data:
            at = min(at, len(data) - 1)
            return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
        case 3:
            return data[:at] + rng.randbytes(length) + data[at + length :]
        case 4:
            return data[:at] + data[at + length :]
        case 5:
            return data[:at] + rng.randbytes(rng.choice((1, 2, 4, 32))) + data[at:]
        case 6:
            return data[:at] + data[at : at + length] * rng.choice((2, 3, 50)) + data[at + length :]
        case 7:
            other = rng.choice(seeds)
            return data[:at] + other[rng.randrange(len(other) + 1) :]
        case 8:
            width = rng.choice((1, 2, 4, 8))
            count = rng.choice(_COUNTS) & (1 << 8 * width) - 1
            return data[:at] + count.to_bytes(width, rng.choice(("big", "little"))) + data[at + width :]
        case 9:
            return data[:at] + rng.choice((b"\x00", b"\xff")) * length + data[at + length :]
        case 10:
            other_at = rng.randrange(len(data) + 1)
            low, high = sorted((at, other_at))
            return data[:low] + data[high : high + length] + data[low + length : high] + data[low : low + length]
        case _:
            return data[at:]


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Return JSON text with one value, key or spelling changed; the text itself if it is no JSON."""
    try:
        value = json.loads(data)
    except ValueError:
        return data
    for _ in range(rng.choice((1, 1, 2))):
        value = _change_json(rng, value)
    if rng.random() < 0.85:
        try:
            return canonical_json(value)
        except (EncodingError, ValueError):
            pass
    indent, spaces = rng.choice(((None, (",", ":")), (None, (", ", ": ")), (1, (",", ": "))))
    return json.dumps(value, indent=indent, separators=spaces, ensure_ascii=rng.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )


def _change_json(rng: random.Random, value: Any) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        names = sorted(value)
        name = rng.choice(names)
        changed = dict(value)
        match rng.randrange(8):
            case 0:
                del changed[name]
            case 1:
                changed[rng.choice(("extra", "", "\x00", name + "_", name.upper()))] = rng.choice(_VALUES)
            case 2:
                changed[name] = value[rng.choice(names)]
            case _:
                changed[name] = _change_json(rng, value[name])
        return changed
    if isinstance(value, list) and value and rng.random() < 0.9:
        at = rng.randrange(len(value))
        match rng.randrange(6):
            case 0:
                return value[:at] + value[at + 1 :]
            case 1:
                return [*value, value[at]]
            case 2:
                return value[::-1]
            case _:
                return [*value[:at], _change_json(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, str) and value and rng.random() < 0.6:
        at = rng.randrange(len(value))
        return rng.choice(
            (
                value[:at] + rng.choice("0123456789abcdefxXF٣\x00é") + value[at + 1 :],
                value[:at],
                value + value[-2:],
                value.upper(),
                value.swapcase(),
                value + "\n",
            )
        )
    if isinstance(value, (int, float)) and not isinstance(value, bool) and rng.random() < 0.5:
        return rng.choice((value + 1, -value, value - 1, value / 2 if abs(value) < 2**64 else 0.5, str(value)[:400]))
    if rng.random() < 0.1:
        for _ in range(rng.choice((5, 31, 40, 300))):
            value = [value]
        return value
    return rng.choice(_VALUES)
