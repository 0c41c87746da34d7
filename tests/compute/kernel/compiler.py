"""The C compiler of this machine, and the kernel's sources."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

KERNEL = Path(__file__).parents[3] / "fedtrust" / "compute" / "kernel"
SOURCES = sorted(KERNEL.glob("*.c"))
HEADERS = sorted(KERNEL.glob("*.h"))


def c_compiler() -> str | None:
    """Return the program that extensions are compiled with, if there is one."""
    return shutil.which(os.environ.get("CC", "cc"))
