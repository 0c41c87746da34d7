"""Tests of the arithmetic can run on another build of the native kernel: one with sanitizers, or with emulated lanes.

``FEDTRUST_TEST_KERNEL`` names its file (``make sanitize``). Nothing but these tests reads that variable.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from fedtrust.compute.kernels import native_kernel

VARIABLE = "FEDTRUST_TEST_KERNEL"
MODULE = "fedtrust.compute._kernel"


def _take(file: Path) -> None:
    """Make ``file`` the native kernel of this process, before anything imports the installed one."""
    if MODULE in sys.modules:
        raise pytest.UsageError(f"{VARIABLE} comes too late: {MODULE} is imported already")
    spec = importlib.util.spec_from_file_location(MODULE, file)
    if spec is None or spec.loader is None:
        raise pytest.UsageError(f"{VARIABLE}: {file} is no extension module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[MODULE] = module
    native_kernel()  # an error here says why it cannot be used


if VARIABLE in os.environ:
    _take(Path(os.environ[VARIABLE]))
