"""How the machines of this folder are run: the same examples each time, nothing reduced."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

__all__ = ("run_machine",)


def run_machine(
    machine: type[RuleBasedStateMachine],
    form: Any,  # noqa: ANN401 - a class of either form
    examples: int,
    steps: int,
) -> None:
    """Run `machine` over `form`; raises what it finds."""
    chosen = type("Chosen", (machine,), {"form": form})
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
    run_state_machine_as_test(
        chosen,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=checks,
            phases=[Phase.generate],
        ),
    )
