"""Run the tests of the native kernel with the address and undefined-behaviour sanitizers: sanitize_kernel.py [OPTIONS].

Two builds of the same source: one with the processor's own instructions, where it has them, and one whose eight lanes
are loops of plain C. OPTIONS are pytest's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import gmpy2

ROOT = Path(__file__).resolve().parents[1]
KERNEL = ROOT / "fedtrust" / "compute" / "kernel"
SOURCES = sorted(KERNEL.glob("*.c"))
FLAGS = [
    *("-std=c11", "-O1", "-g", "-Wno-psabi", "-fno-omit-frame-pointer", "-shared", "-fPIC"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all"),
    *("-DPy_LIMITED_API=0x030B0000", "-D_GNU_SOURCE"),
]
EMULATED = "-DFEDTRUST_EMULATED_LANES"
TESTS = {
    "real": (
        "native and not threads",
        ("tests/compute/test_arithmetic.py", "tests/compute/test_native.py", "tests/compute/test_native_tables.py"),
    ),
    "emulated": ("native and not threads and 2048", ("tests/compute/test_arithmetic.py",)),  # the others take minutes
}
"""Build -> which tests of which files."""
NEEDED = {"avx512f", "avx512ifma", "avx512dq", "avx512vl", "avx512bw", "bmi2"}


def compiler() -> str | None:
    """Return the C compiler that Python would build extensions with, if there is one."""
    return shutil.which(os.environ.get("CC", "cc"))


def sanitizer(program: str) -> Path | None:
    """Return the address sanitizer's library for processes that were not linked with it, if the compiler has it."""
    found = subprocess.run([program, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    library = Path(found.stdout.strip())
    return library if library.is_absolute() else None  # gcc prints the bare name of what it does not find


def build(program: str, name: str, *more: str) -> Path:
    """Return the sanitized extension module in build/sanitized, compiled unless it is newer than what it is made of."""
    out = ROOT / "build" / "sanitized" / f"{name}.so"
    made_of = [*SOURCES, *KERNEL.glob("*.h"), Path(__file__)]
    if out.exists() and out.stat().st_mtime > max(path.stat().st_mtime for path in made_of):
        return out
    out.parent.mkdir(parents=True, exist_ok=True)
    include = [f"-I{sysconfig.get_path('include')}", f"-I{Path(gmpy2.__file__).parent}"]
    made = subprocess.run([program, *FLAGS, *more, *include, "-o", out, *SOURCES], capture_output=True, check=False)
    if made.returncode:
        sys.exit(made.stderr.decode())
    return out


def run_tests(library: Path, module: Path, which: str, tests: Sequence[str], options: Sequence[str]) -> int:
    """Run tests on the kernel in ``module``; return pytest's exit code."""
    environment = os.environ | {
        "LD_PRELOAD": str(library),  # the interpreter itself is not built with the sanitizer
        "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter frees little when it ends; memcheck looks for the kernel's
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "FEDTRUST_TEST_KERNEL": str(module),
        "FEDTRUST_KERNEL": "native",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", which, *options, *tests]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


def flags_of_the_processor() -> set[str]:
    """Return what the processor can do, as Linux names it."""
    cpuinfo = Path("/proc/cpuinfo")
    return set(cpuinfo.read_text().split()) if cpuinfo.exists() else set()


def main() -> int:
    """Build and test both; return the first exit code that is not zero."""
    program = compiler()
    library = sanitizer(program) if program is not None else None
    if program is None or library is None:
        print("skipped: there is no C compiler here, or none with the address sanitizer's library")
        return 0
    builds: dict[str, tuple[str, ...]] = {"real": (), "emulated": (EMULATED,)}
    if not flags_of_the_processor() >= NEEDED:
        print("this processor lacks AVX-512 IFMA: only the emulated kernel is tested")
        del builds["real"]
    for name, more in builds.items():
        module = build(program, name, *more)
        which, tests = TESTS[name]
        print(f"sanitized kernel, {name}: {' '.join(tests)} -k {which!r}", flush=True)
        code = run_tests(library, module, which, tests, sys.argv[1:])
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
