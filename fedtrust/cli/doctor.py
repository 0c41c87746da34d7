"""``fedtrust doctor``: what a person needs to know of this machine before a federation."""

from __future__ import annotations

import json
import platform
from importlib import metadata
from pathlib import Path

import click
import cryptography
import gmpy2
from cryptography.hazmat.backends.openssl.backend import backend
from rich.markup import escape
from rich.table import Table

from fedtrust import __version__
from fedtrust.cli import options
from fedtrust.cli.output import console
from fedtrust.compute.kernels import choose_kernel
from fedtrust.compute.selection import ComputeSettings, available_cores, make_arithmetic
from fedtrust.compute.self_test import COUNT, MODULUS_BITS, verify_arithmetic


@click.command(epilog="Example: fedtrust doctor")
@options.as_json
def doctor(as_json: bool) -> None:
    """Say what this machine computes with, and verify that it computes rightly.

    Ends with 70 if FEDTRUST_KERNEL asks for a kernel that is not there, with 72 if a result of the kernel is wrong.
    """
    choice = choose_kernel()
    verify_arithmetic(make_arithmetic(ComputeSettings()))
    body = {
        "version": __version__,
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": platform.platform(),
        "processor": processor(),
        "cores": available_cores(),
        "kernel": str(choice.kernel),
        "reason": choice.reason,
        "advice": choice.advice,
        "self_test": "verified",
        "gmpy2": gmpy2.version(),
        "gmp": gmpy2.mp_version(),
        "cryptography": cryptography.__version__,
        "openssl": backend.openssl_version_text(),
        "torch": _version("torch"),
    }
    if as_json:
        click.echo(json.dumps(body))
        return
    tested = f"each batch function on {COUNT} random numbers, {MODULUS_BITS}-bit n, against plain gmpy2"
    table = Table("", "here", show_header=False)
    for name, text in (
        ("fedtrust", body["version"]),
        ("Python", f"{body['python']} on {body['system']}"),
        ("processor", f"{body['processor']}, {body['cores']} cores for this process"),
        ("kernel", f"{body['kernel']}: {body['reason']}"),
        ("self-test", f"{body['self_test']}: {tested}"),
        ("to do", body["advice"]),
        ("integers", f"gmpy2 {body['gmpy2']}, {body['gmp']}"),
        ("TLS", f"cryptography {body['cryptography']}, {body['openssl']}"),
        (
            "torch",
            body["torch"] or "not installed; participants and the aggregator need it: pip install 'fedtrust[torch]'",
        ),
    ):
        if text:
            table.add_row(name, escape(str(text)))
    console().print(table)


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
