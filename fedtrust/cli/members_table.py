"""The table of a federation's members, for who has no torch as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table


def members_table(
    identities: Sequence[Mapping[str, Any]], unit: str = "ether", names: Mapping[str, str] | None = None
) -> Table:
    """Every identity as :func:`fedtrust.cli.status.describe` gives it: what is at stake, and what it did."""
    table = Table(title="Identities", title_justify="left")
    for column in ("who" if names else "account", "role", "status"):
        table.add_column(column)
    for column in (f"stake\n{unit}", f"claimable\n{unit}", "accepted", "late", "missed", "attested", "slashed"):
        table.add_column(column, justify="right")
    for each in identities:
        counted = each["reputation"]
        who = (names or {}).get(each["account"], each["account"])
        place = each["role"] if each["index"] is None else f"{each['role']} {each['index']}"
        status = each["status"] + (" (suspended)" if each["suspended"] else "")
        amounts = (f"{int(each[name]) / 10**18:.4f}" for name in ("stake", "claimable"))
        # a role's counters: the others cannot move
        own = {
            "participant": ("accepted", "late", "missed"),
            "trustee": ("attested",),
            "aggregator": ("accepted", "missed"),
        }[each["role"]]
        shown = (
            str(counted[name]) if counted and (name in own or name == "slashed") else ""
            for name in ("accepted", "late", "missed", "attested", "slashed")
        )
        table.add_row(who, place, status, *amounts, *shown, style="dim" if each["status"] != "active" else None)
    return table
