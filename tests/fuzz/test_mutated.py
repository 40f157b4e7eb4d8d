"""Messages gone wrong in many ways: the part of `make fuzz` that every test run has."""

from __future__ import annotations

import pytest

from tests.fuzz import mutants


@pytest.mark.parametrize("seed", range(20))
def test_mutated_messages_have_an_answer(seed: int) -> None:
    """Fifty thousand messages with bytes changed, lost, repeated and moved are read, or said not to be."""
    for raw in mutants.mutants(2_500, seed):
        mutants.decodes(raw)
        mutants.splits(raw)
        mutants.reads(raw)
