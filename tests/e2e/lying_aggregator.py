"""A test double: the real aggregator process, but for one lie. ``python -m tests.e2e.lying_aggregator LIE ARGUMENTS``.

``column`` changes one ciphertext of the aggregate before it commits it: to another valid one, of a sum that is larger
by one. ``hide`` accepts everybody's update but shows one of them to nobody, and answers no demand for it.
"""

from __future__ import annotations

import sys
from typing import Any

from fedtrust.cli.main import cli, run
from fedtrust.crypto.paillier import CiphertextVector
from fedtrust.nodes import aggregator
from fedtrust.nodes.aggregator import AggregatorNode
from tests.e2e.people import light_key_files

WRONG_COLUMN = 1


def lie_about_a_column() -> None:
    honest = aggregator.multiply_updates

    def multiply(*arguments: Any, **options: Any) -> CiphertextVector:
        product = honest(*arguments, **options)
        values = list(product.values)
        values[WRONG_COLUMN] = values[WRONG_COLUMN] * (1 + product.key.n) % product.key.n_squared
        return CiphertextVector(product.key, tuple(values))

    aggregator.multiply_updates = multiply


def hide_an_update() -> None:
    uploads = AggregatorNode.uploads
    asked_by_others = {"on": True}

    def shown(node: AggregatorNode, round: int) -> dict[str, bytes]:
        everything = uploads(node, round)
        return dict(sorted(everything.items())[1:]) if asked_by_others["on"] else everything

    aggregate = AggregatorNode._aggregate

    def with_all(node: AggregatorNode, number: int) -> None:
        asked_by_others["on"] = False
        try:
            aggregate(node, number)
        finally:
            asked_by_others["on"] = True

    AggregatorNode.uploads = shown  # type: ignore[method-assign]
    AggregatorNode._aggregate = with_all  # type: ignore[method-assign]
    AggregatorNode._reveal = lambda node, command: None  # type: ignore[method-assign]


LIES = {"column": lie_about_a_column, "hide": hide_an_update}


if __name__ == "__main__":
    LIES[sys.argv[1]]()
    with light_key_files():
        sys.exit(run(cli, sys.argv[2:]))
