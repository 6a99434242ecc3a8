"""Any sequence of what can be done to a queue leaves its facts fitting together."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from postgres_cases import need_server
from queue_machine import Machine, MemoryMachine, PostgresMachine, SqliteMachine

LIMITS = settings(
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    # A failure is shown as it was found: to shrink it takes minutes with a database.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MACHINES = [
    pytest.param(MemoryMachine, 30, id="memory"),
    pytest.param(SqliteMachine, 12, id="sqlite"),
    pytest.param(PostgresMachine, 6, id="postgres"),
]


@pytest.mark.parametrize(("machine", "examples"), MACHINES)
def test_facts_fit_together_whatever_happens(machine: type[Machine], examples: int) -> None:
    if machine is PostgresMachine:
        need_server()
    run_state_machine_as_test(machine, settings=settings(LIMITS, max_examples=examples))


@pytest.mark.chaos
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("machine", "examples"), MACHINES)
def test_facts_fit_together_for_long(machine: type[Machine], examples: int) -> None:
    if machine is PostgresMachine:
        need_server()
    limits = settings(LIMITS, max_examples=10 * examples, stateful_step_count=60, derandomize=False)
    run_state_machine_as_test(machine, settings=limits)
