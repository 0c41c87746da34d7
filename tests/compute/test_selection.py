"""What a program computes with: the kernel that is there, or the one that FEDTRUST_KERNEL names, and never another."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import gmpy2
import pytest
from gmpy2 import mpz

from fedtrust.cli.main import run
from fedtrust.cli.watch import watch
from fedtrust.compute import kernels
from fedtrust.compute.kernels import Kernel, choose_kernel, native_kernel
from fedtrust.compute.native import NativeArithmetic
from fedtrust.compute.parallel import ParallelArithmetic
from fedtrust.compute.selection import ComputeSettings, available_cores, select_arithmetic
from fedtrust.crypto.arithmetic import ARITHMETIC, GmpArithmetic
from fedtrust.errors import ConfigurationError, ExitCode
from tests.fixtures.keys import test_primes

N = math.prod(map(mpz, test_primes(2048)))
MODULE = "fedtrust.compute._kernel"


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test selects is closed, and what was selected before is put back."""
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.setattr(ARITHMETIC, "implementation", ARITHMETIC.implementation)
    yield
    if isinstance(ARITHMETIC.implementation, NativeArithmetic | ParallelArithmetic):
        ARITHMETIC.implementation.close()


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULE, None)  # what an import finds then is ImportError


@pytest.fixture
def unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel on a processor without its instructions: it imports, and says that nothing else may be called."""
    module = ModuleType(MODULE)
    monkeypatch.setattr(module, "supported", lambda: False, raising=False)
    monkeypatch.setitem(sys.modules, MODULE, module)


@pytest.fixture
def native() -> None:
    try:
        native_kernel()
    except ConfigurationError as error:
        pytest.skip(error.message)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("wanted", [None, "", "native"])
@pytest.mark.parametrize("workers", [1, 2])
def test_the_native_kernel_computes_where_it_is(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, workers: int
) -> None:
    if wanted is not None:
        monkeypatch.setenv(kernels.VARIABLE, wanted)
    assert choose_kernel().kernel is Kernel.NATIVE
    select_arithmetic(ComputeSettings(workers))
    assert isinstance(ARITHMETIC.implementation, NativeArithmetic)


@pytest.mark.parametrize(("workers", "expected"), [(1, GmpArithmetic), (2, ParallelArithmetic)])
def test_portable_is_chosen_by_name(monkeypatch: pytest.MonkeyPatch, workers: int, expected: type) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "portable")
    assert choose_kernel().kernel is Kernel.PORTABLE
    assert kernels.VARIABLE in choose_kernel().reason
    select_arithmetic(ComputeSettings(workers))
    assert type(ARITHMETIC.implementation) is expected


@pytest.mark.usefixtures("absent")
@pytest.mark.parametrize(("workers", "expected"), [(1, GmpArithmetic), (2, ParallelArithmetic)])
def test_without_a_kernel_the_portable_one_computes(workers: int, expected: type) -> None:
    assert choose_kernel().kernel is Kernel.PORTABLE
    assert "not built" in choose_kernel().reason
    select_arithmetic(ComputeSettings(workers))
    assert type(ARITHMETIC.implementation) is expected


@pytest.mark.usefixtures("unsupported")
def test_on_another_processor_the_portable_one_computes() -> None:
    assert choose_kernel().kernel is Kernel.PORTABLE
    assert "cannot run on this processor" in choose_kernel().reason
    select_arithmetic(ComputeSettings())
    assert type(ARITHMETIC.implementation) is GmpArithmetic


def test_a_kernel_that_does_not_load_is_told_from_one_that_was_not_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_kernel.abi3.so").write_bytes(b"made for another system")
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    monkeypatch.setattr("fedtrust.compute.__path__", [str(tmp_path)])
    choice = choose_kernel()
    assert (choice.kernel, choice.reason) == (Kernel.PORTABLE, "the native kernel cannot be loaded")
    assert "from source" in (choice.advice or "")


@pytest.mark.parametrize(("state", "message"), [("absent", "not built"), ("unsupported", "cannot run")])
def test_native_by_name_is_never_replaced(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, state: str, message: str
) -> None:
    request.getfixturevalue(state)
    monkeypatch.setenv(kernels.VARIABLE, "native")
    before = ARITHMETIC.implementation
    with pytest.raises(ConfigurationError, match=message) as caught:
        select_arithmetic(ComputeSettings())
    assert caught.value.exit_code is ExitCode.CONFIGURATION
    assert "portable" in (caught.value.advice or "")
    assert ARITHMETIC.implementation is before


@pytest.mark.parametrize("name", ["Native", "gpu", " portable", "portable,native"])
def test_a_name_that_is_no_kernel(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(kernels.VARIABLE, name)
    with pytest.raises(ConfigurationError, match=kernels.VARIABLE) as caught:
        select_arithmetic(ComputeSettings())
    assert caught.value.expected == "native or portable"
    assert name in str(caught.value.got)


def test_a_command_ends_with_the_code_of_configuration_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "gpu")
    code = run(
        watch,
        ["--dry-run", "--artifacts", "https://127.0.0.1:9", "--contract", "0x5FbDB2315678afecb367f032d93F642f64180aa3"],
    )
    assert code == ExitCode.CONFIGURATION
    assert "native or portable" in capsys.readouterr().err


@pytest.mark.parametrize("workers", [1, 2])
def test_a_selected_engine_keeps_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setenv(kernels.VARIABLE, "portable")  # the native kernel's tables are quicker made than read
    exponents = [mpz(3) ** 80 + i for i in range(40)]
    expected = [gmpy2.powmod(5, e, N * N) for e in exponents]
    for _ in range(2):
        select_arithmetic(ComputeSettings(workers, 1 << 22), tmp_path / "tables")
        assert ARITHMETIC.fixed_base_powers(mpz(5), exponents, N * N) == expected
        if isinstance(ARITHMETIC.implementation, ParallelArithmetic):
            ARITHMETIC.implementation.close()
        (file,) = (tmp_path / "tables").iterdir()
        assert file.stat().st_size <= (1 << 22) + 1000


@pytest.mark.parametrize("kernel", Kernel)
def test_without_table_memory_nothing_is_kept(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: Kernel
) -> None:
    if kernel is Kernel.NATIVE:
        request.getfixturevalue("native")
    monkeypatch.setenv(kernels.VARIABLE, kernel)
    select_arithmetic(ComputeSettings(1, 0), tmp_path / "tables")
    exponent = mpz(3) ** 80
    assert ARITHMETIC.fixed_base_powers(mpz(5), [exponent] * 50, N * N) == [gmpy2.powmod(5, exponent, N * N)] * 50
    assert not (tmp_path / "tables").exists()


def test_settings_are_checked() -> None:
    assert 1 <= available_cores() <= 256
    for bad in ({"workers": 0}, {"workers": 257}, {"table_bytes": -1}):
        with pytest.raises(ConfigurationError):
            ComputeSettings(**bad)


def test_a_worker_process_stays_portable() -> None:
    """Its batches come from the portable side; a kernel in it would be one that nobody selected."""
    program = (
        "import sys, fedtrust.compute.worker; print(sorted(n for n in sys.modules if 'kernel' in n or 'native' in n))"
    )
    environment = os.environ | {kernels.VARIABLE: "native"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert not [name for name in done.stdout.split("'") if name.startswith("fedtrust")]
