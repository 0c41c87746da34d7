"""Finding a task's code and its digest, without torch."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

import fedtrust.learning
from fedtrust.errors import ConfigurationError, ExitCode
from fedtrust.learning.source import find_task_source, task_code_digest


def test_a_module_and_its_file_have_the_same_digest() -> None:
    path = Path(fedtrust.learning.__file__).parent / "heart.py"
    expected = hashlib.sha256(path.read_bytes()).digest()
    assert task_code_digest("fedtrust.learning.heart:MLP") == expected
    assert task_code_digest(f"{path}:MLP") == expected
    assert find_task_source("fedtrust.learning.heart:MLP").path == path


def test_the_digest_needs_no_torch() -> None:
    code = (
        "import sys\n"
        "from fedtrust.learning.source import task_code_digest\n"
        "print(task_code_digest('fedtrust.learning.heart:MLP').hex())\n"
        "sys.exit('torch' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == task_code_digest("fedtrust.learning.heart:MLP").hex()


def test_a_changed_byte_changes_the_digest(tmp_path: Path) -> None:
    path = tmp_path / "own.py"
    path.write_text("x = 1\n")
    before = task_code_digest(f"{path}:Own")
    path.write_text("x = 2\n")
    assert task_code_digest(f"{path}:Own") != before


@pytest.mark.parametrize(
    "name",
    [
        "",
        "heart",
        ":MLP",
        "fedtrust.learning.heart:",
        "fedtrust.learning.heart:not a name",
        "fedtrust.learning.nothing:MLP",
        "no_such_package_at_all.module:Task",
        "..relative:Task",
        "no/such/file.py:Task",
        "sys:Task",  # built in: no source file
        "fedtrust.learning.data:Task",  # a folder: no source file
    ],
)
def test_a_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        task_code_digest(name)
    assert caught.value.exit_code == ExitCode.CONFIGURATION
    assert caught.value.expected
