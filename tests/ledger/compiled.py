"""What ``scripts/compile_contracts.py`` makes of the contracts: once for a session of tests, in all its processes."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def compiler() -> ModuleType:
    spec = importlib.util.spec_from_file_location("compile_contracts", ROOT / "scripts" / "compile_contracts.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def compiled_once(folder: Path) -> dict[str, Any]:
    """Return the compiler's whole output for ``contracts/``, from ``folder`` if a process put it there already."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = folder / "output.json"
        if not kept.exists():
            module = compiler()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PATH", module.node_environment()["PATH"])
                output = module.compile_sources()
            unfinished = folder / "unfinished"
            unfinished.write_text(json.dumps(output), encoding="utf-8")
            unfinished.replace(kept)
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found
