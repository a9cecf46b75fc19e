from __future__ import annotations

import re
from pathlib import Path

from tondo.ir import Operator
from tondo_ops import OPERATORS, plugin

_CATALOG = Path(__file__).parents[1] / "CATALOG.md"


def test_every_operator_is_described():
    for name, operator in OPERATORS.items():
        assert isinstance(operator, Operator)
        assert operator.name == name
        assert operator.doc
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)


def test_the_catalogue_lists_exactly_the_operators():
    first_cells = "\n".join(line.split("|")[1] for line in _CATALOG.read_text().splitlines() if line.startswith("|"))
    assert set(re.findall(r"`([a-z][a-z0-9_]*)`", first_cells)) == set(OPERATORS)


def test_names_are_unique_over_the_families():
    assert len(plugin.register_ops()) == len(OPERATORS) == len({operator.name for operator in plugin.register_ops()})
    assert plugin.TONDO_PLUGIN.api == 1
