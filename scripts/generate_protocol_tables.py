"""Write the transition tables of the state machines into docs/protocol.md: generate_protocol_tables.py [--check]."""

from collections.abc import Iterable
from enum import Enum
from typing import Any

from embedding import ROOT, run, table

from fedtrust.audit import chain_facts
from fedtrust.protocol import aggregator, participant, trustee
from fedtrust.protocol.machine import Table


def transitions(rows: Iterable[tuple[str, str, str]]) -> str:
    """Return the rows as a table, a state's rows together, in the order of the code."""
    found = list(rows)
    states = list(dict.fromkeys(state for state, _, _ in found))
    ordered = sorted(found, key=lambda row: states.index(row[0]))
    return table(("state", "trigger", "next state"), [tuple(f"`{cell}`" for cell in row) for row in ordered])


def machine(rules: Table[Any, Any], states: type[Enum]) -> str:
    order = list(states)
    rows = sorted(rules.rows.items(), key=lambda item: order.index(item[0][0]))
    return transitions((state.name, trigger.name, target.name) for (state, trigger), target in rows)


def contract() -> str:
    rules = chain_facts.TRANSITIONS.items()
    return transitions((phase.name, event.__name__, target.name) for (phase, event), target in rules)


if __name__ == "__main__":
    run(
        {
            ROOT / "docs" / "protocol.md": {
                "contract": contract(),
                "aggregator": machine(aggregator.TRANSITIONS, aggregator.AggregatorState),
                "participant": machine(participant.TRANSITIONS, participant.ParticipantState),
                "trustee": machine(trustee.TRANSITIONS, trustee.TrusteeState),
            }
        }
    )
