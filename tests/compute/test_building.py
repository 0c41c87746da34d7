"""The package installs with and without a C compiler; with one, the native kernel is in the wheel.

Wheels are built in a scratch copy of the source, with the build tools of this environment: nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from fedtrust.compute.kernels import VARIABLE, Kernel, choose_kernel
from tests.compute.kernel.compiler import HEADERS, SOURCES, c_compiler

ROOT = Path(__file__).parents[2]
KERNEL = "fedtrust/compute/_kernel.abi3.so"
NO_COMPILER = "/nonexistent"
SAID = (
    "import json; from fedtrust.compute import kernels; choice = kernels.choose_kernel(); "
    "print(json.dumps([choice.kernel, choice.reason, kernels.__file__]))"
)

needs_compiler = pytest.mark.skipif(c_compiler() is None, reason="no C compiler is installed")


@pytest.fixture
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a checkout has and a build needs; nothing that was built before."""
    folder = tmp_path_factory.mktemp("source")
    for name in ("setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder / name)
    shutil.copytree(ROOT / "fedtrust", folder / "fedtrust", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    return folder


def build(source: Path, out: Path, *kinds: str, **environment: str) -> str:
    """Build distributions into ``out``; return what the build said."""
    command = [sys.executable, "-m", "build", "--no-isolation", *kinds, "--outdir", out, source]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def unpacked(folder: Path) -> Path:
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "installed")  # noqa: S202  # a wheel of our own
    return folder / "installed"


def python(packages: Path, *arguments: str) -> str:
    """Run Python on the packages of a wheel, in place of the checkout's."""
    environment = {k: v for k, v in os.environ.items() if k not in (VARIABLE, "FEDTRUST_TEST_KERNEL")}
    environment["PYTHONPATH"] = str(packages)
    command = [sys.executable, "-P", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=packages, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@needs_compiler
def test_the_wheel_carries_the_kernel(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path, "--wheel")
    (wheel,) = tmp_path.glob("*.whl")
    assert "-cp311-abi3-" in wheel.name
    packages = unpacked(tmp_path)
    assert (packages / KERNEL).is_file()
    assert not list(packages.glob("fedtrust/**/*.c"))
    assert (packages / "fedtrust" / "py.typed").is_file()
    kernel, reason, where = json.loads(python(packages, "-c", SAID))
    assert Path(where).is_relative_to(packages)
    assert (kernel, reason) == (Kernel.NATIVE, "AVX-512 IFMA, eight numbers at a time") or "processor" in reason
    program = "import fedtrust.compute._kernel as k; print(k.__file__); print(k.supported())"
    where, supported = python(packages, "-c", program).split()
    assert Path(where) == packages / KERNEL
    assert (supported == "True") is (kernel == Kernel.NATIVE)


@pytest.mark.slow
def test_without_a_compiler_the_portable_kernel_computes(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path, "--wheel", CC=NO_COMPILER)
    packages = unpacked(tmp_path)
    assert not (packages / KERNEL).exists()
    kernel, reason, where = json.loads(python(packages, "-c", SAID))
    assert Path(where).is_relative_to(packages)
    assert (kernel, reason) == (Kernel.PORTABLE, "the native kernel is not built")
    # the tests of this checkout, the package of the wheel
    shutil.copytree(ROOT / "tests", packages / "tests", ignore=shutil.ignore_patterns("e2e", "__pycache__"))
    shutil.copy2(ROOT / "pyproject.toml", packages)
    tests = ("-m", "pytest", "-p", "no:cacheprovider", "-k", "gmp or processes", "tests/compute/test_arithmetic.py")
    said = python(packages, *tests)
    assert "portable kernel (the native kernel is not built)" in said
    assert " passed" in said
    said = python(packages, "-m", "fedtrust", "doctor", "--json")
    assert json.loads(said)["kernel"] == Kernel.PORTABLE
    assert "C compiler" in json.loads(said)["advice"]


@pytest.mark.slow
def test_the_source_distribution_carries_all_of_the_kernel(source: Path, tmp_path: Path) -> None:
    build(source, tmp_path, "--sdist")
    (file,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(file) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {str(path.relative_to(ROOT)) for path in (*SOURCES, *HEADERS)} <= names
    assert "setup.py" in names
    assert not any(name.endswith(".so") for name in names)


@needs_compiler
def test_where_the_kernel_can_run_it_was_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout that silently fell back would pass every other test, on the portable kernel."""
    monkeypatch.delenv(VARIABLE, raising=False)
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists() or "avx512ifma" not in cpuinfo.read_text().split():
        pytest.skip("this processor lacks AVX-512 IFMA")
    choice = choose_kernel()
    assert choice.kernel is Kernel.NATIVE, f"{choice.reason}: {choice.advice}"
