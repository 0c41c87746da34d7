from __future__ import annotations

import pytest

from fedtrust.crypto.primes import is_safe_prime, primes_below, safe_prime


def test_primes_below_known_counts() -> None:
    assert primes_below(30).tolist() == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert len(primes_below(1 << 16)) == 6542
    assert primes_below(2).size == 0
    assert primes_below(3).tolist() == [2]


@pytest.mark.parametrize("bits", [64, 65, 128, 512])
def test_safe_prime_has_its_form(bits: int) -> None:
    lines: list[str] = []
    p = safe_prime(bits, lines.append)
    assert p.bit_length() == bits
    assert p >> bits - 2 == 0b11
    assert is_safe_prime(p)
    assert f"{bits}-bit" in lines[0]


def test_safe_primes_are_fresh() -> None:
    assert len({safe_prime(64) for _ in range(8)}) == 8


def test_is_safe_prime_known_answers() -> None:
    safe = [v for v in range(400) if is_safe_prime(v)]
    assert safe == [5, 7, 11, 23, 47, 59, 83, 107, 167, 179, 227, 263, 347, 359, 383]  # OEIS A005385
    assert not is_safe_prime(-7)
    assert not is_safe_prime(2**127 - 1)


def test_short_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        safe_prime(63)
