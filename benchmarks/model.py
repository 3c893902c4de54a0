"""What the model and the map cost people: times only, never a test."""

from __future__ import annotations

from ksm_rmap import State, ops
from ksm_rmap.model import scenario


class TimeScenarioSuite:
    """A bundled scenario from its text to its last state."""

    params = ("hugh", "move-fork-move", "zte-table")
    param_names = ("scenario",)

    def time_run(self, name: str) -> None:
        scenario.load(name).run()


class TimeLargeStateSuite:
    """One operation on 22,169 one-page VMAs of one anon_vma, and looking at them."""

    def setup(self) -> None:
        self.state = scenario.load("zte-table").run()
        small = ops.mmap(State(), mm=0, start=0, pages=4)
        self.small = ops.write(small, mm=0, start=0, pages=4, content=1)

    def time_write(self) -> None:
        ops.write(self.state, mm=0, start=1001, content=3)

    def time_munmap(self) -> None:
        ops.munmap(self.state, mm=0, start=1000, pages=1)

    def time_small_write(self) -> None:
        ops.write(self.small, mm=0, start=1, content=3)

    def time_small_mprotect(self) -> None:
        ops.mprotect(self.small, mm=0, start=1, pages=1, prot="r")

    def time_check_small(self) -> None:
        self.small.check()

    def time_map(self) -> None:
        str(self.state)
