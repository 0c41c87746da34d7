"""The tool that removes checks removes one, from everybody's view, and puts it back."""

from __future__ import annotations

import pytest
from gmpy2 import mpz

from fedtrust.crypto.key_proof import verify_key_proof
from fedtrust.crypto.plaintext_proof import PlaintextProof
from fedtrust.crypto.transcript import Transcript
from fedtrust.errors import ProofError
from tests.crypto.weakened import (
    NoSuchCheckError,
    forgetting,
    one_coefficient_for_all,
    without_call,
    without_check,
)

imported_by_name = verify_key_proof


def test_one_check_goes_and_comes_back() -> None:
    """A prime is refused as a prime; without that check the next one refuses it."""
    n = mpz(2) ** 521 - 1
    with pytest.raises(ProofError, match="prime or a perfect power"):
        verify_key_proof(n, ())
    with without_check(verify_key_proof, "prime or a perfect power"), pytest.raises(ProofError, match="wrong size"):
        imported_by_name(n, ())
    with pytest.raises(ProofError, match="prime or a perfect power"):
        imported_by_name(n, ())


def test_the_check_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), without_check(verify_key_proof, "prime or a perfect power"):
        raise ZeroDivisionError
    with pytest.raises(ProofError, match="prime or a perfect power"):
        verify_key_proof(mpz(2) ** 521 - 1, ())


def test_one_operand_goes_and_the_others_stay() -> None:
    with without_check(verify_key_proof, "prime or a perfect power", operand="is_power"):
        with pytest.raises(ProofError, match="prime or a perfect power"):
            verify_key_proof(mpz(2) ** 521 - 1, ())
        with pytest.raises(ProofError, match="wrong size"):
            verify_key_proof((mpz(2) ** 127 - 1) ** 2, ())


def test_two_checks_of_one_function_go_and_come_back_in_turn() -> None:
    n = mpz(2) ** 521 - 1
    with without_check(verify_key_proof, "prime or a perfect power"):
        with without_check(verify_key_proof, "wrong size"), pytest.raises(ValueError, match="zip"):
            verify_key_proof(n, ())
        with pytest.raises(ProofError, match="wrong size"):
            verify_key_proof(n, ())
    with pytest.raises(ProofError, match="prime or a perfect power"):
        verify_key_proof(n, ())


@pytest.mark.parametrize("message", ["no such message", "key proof"])
def test_a_check_that_is_not_there_once_is_the_tests_error(message: str) -> None:
    with pytest.raises(NoSuchCheckError), without_check(verify_key_proof, message):
        pass


def test_an_operand_or_a_call_that_is_not_there_is_the_tests_error() -> None:
    with pytest.raises(NoSuchCheckError), without_check(verify_key_proof, "perfect power", operand="never"):
        pass
    with pytest.raises(NoSuchCheckError), without_check(verify_key_proof, "wrong size", operand="roots"):
        pass
    with pytest.raises(NoSuchCheckError), without_call(PlaintextProof.__post_init__, "verify"):
        pass


def test_a_forgotten_label_binds_nothing_and_only_while_it_is_forgotten() -> None:
    def challenge(round_number: int, name: bytes) -> mpz:
        transcript = Transcript("test")
        transcript.absorb_int("round", round_number)
        transcript.absorb_bytes("name", name)
        return transcript.coefficients(1, 128, "r")[0]

    with forgetting("round"):
        assert challenge(1, b"a") == challenge(2, b"a") != challenge(1, b"b")
    assert challenge(1, b"a") != challenge(2, b"a")


def test_one_coefficient_for_all_is_one_coefficient() -> None:
    with one_coefficient_for_all():
        assert len(set(Transcript("test").coefficients(5, 128, "r"))) == 1
    assert len(set(Transcript("test").coefficients(5, 128, "r"))) == 5
