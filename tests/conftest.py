"""What all tests say first, and how end-to-end tests are shared out among workers (``make test-e2e``)."""

from __future__ import annotations

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from fedtrust.compute.kernels import choose_kernel
from fedtrust.errors import ConfigurationError

ONE_WORKER = {
    "tests/e2e/test_full_run.py": "settled",
    "tests/e2e/test_tampering.py": "settled",
    "tests/e2e/test_secrets.py": "observed",
}
"""File -> the federation that its tests look at: one worker makes it, once. Any other test may run in any worker."""


class ByFederation(LoadScopeScheduling):
    """Tests of one federation go to one worker, the largest groups first."""

    def _split_scope(self, nodeid: str) -> str:
        return ONE_WORKER.get(nodeid.partition("::")[0], nodeid)


def pytest_report_header() -> str:
    """Say which kernel computes where programs would choose it."""
    try:
        choice = choose_kernel()
    except ConfigurationError as error:
        raise pytest.UsageError(error.diagnostics()) from error
    return f"arithmetic: {choice.kernel} kernel ({choice.reason})"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling | None:
    """Take the place of ``--dist loadgroup``: xdist 3.8 marks groups in a way that pytest 9 does not read any more."""
    return ByFederation(config, log) if config.getvalue("dist") == "loadgroup" else None
