"""Walks of the user's own: found by name, and every way to go wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ksm_rmap import walks
from ksm_rmap.model import scenario
from ksm_rmap.walks.user import UserWalk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ksm_rmap.model.state import State

EXAMPLE = '''"""A walk to try: from where the VMA began at merge time up to the page."""
from ksm_rmap import walks

def search_range(item, state):
    return min(item.vm_pgoff, item.index), item.index

def mine(state, folio):
    """Everything between the recorded vm_pgoff and the recorded index."""
    return walks.ksm_walk(state, folio, range_of=search_range)
'''


def hugh() -> tuple[State, int]:
    state = scenario.load("hugh").run()
    (folio,) = state.ksm_folios()
    return state, folio


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def writer(text: str) -> Path:
        path = tmp_path / "own.py"
        path.write_text(text, encoding="utf-8")
        return path

    return writer


def failure(call: Callable[[], object]) -> str:
    with pytest.raises(walks.WalkError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


class TestTheExample:
    def test_it_has_at_most_ten_lines(self) -> None:
        assert len(EXAMPLE.splitlines()) <= 10

    def test_the_readme_shows_it(self) -> None:
        readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
        lines = [line for line in readme.splitlines() if line]
        assert "\n".join(line for line in EXAMPLE.splitlines() if line) in "\n".join(lines)

    @pytest.mark.parametrize(
        "name", ["hugh", "split-after-merge", "fork-scanned", "move-fork-move"]
    )
    def test_it_finds_all(self, name: str, write: Callable[[str], Path]) -> None:
        state = scenario.load(name).run()
        walk = walks.get(f"{write(EXAMPLE)}:mine")
        assert walk.summary == "Everything between the recorded vm_pgoff and the recorded index."
        for folio in state.ksm_folios():
            assert walk(state, folio).ptes == walks.get("full")(state, folio).ptes


class TestLoading:
    def test_a_file(self, write: Callable[[str], Path]) -> None:
        path = write("def f(state, folio):\n    return [(0, 0), (0, 1)]\n")
        walk = walks.get(f"{path}:f")
        assert walk.name == f"{path}:f"
        assert walk.summary == "a walk of the user's own"
        assert walk(*hugh()).ptes == ((0, 0),)

    def test_a_changed_file_is_read_again_and_leaves_nothing(
        self, write: Callable[[str], Path], tmp_path: Path
    ) -> None:
        for page in (0, 2):
            path = write(f"def f(state, folio):\n    return [(0, {page})]\n")
            assert walks.get(f"{path}:f")(*hugh()).ptes == ((0, page),)
        assert [entry.name for entry in tmp_path.iterdir()] == ["own.py"]

    def test_a_file_may_import_its_neighbour(
        self, write: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delitem(sys.modules, "ksm_rmap_neighbour", raising=False)
        (tmp_path / "ksm_rmap_neighbour.py").write_text("PAGE = 2\n", encoding="utf-8")
        path = write(
            "from ksm_rmap_neighbour import PAGE\ndef f(state, folio):\n    return [(0, PAGE)]\n"
        )
        before = list(sys.path)
        assert walks.get(f"{path}:f")(*hugh()).ptes == ((0, 2),)
        assert sys.path == before

    def test_a_file_with_a_dataclass(self, write: Callable[[str], Path]) -> None:
        path = write(
            "from __future__ import annotations\nfrom dataclasses import dataclass\n"
            "@dataclass\nclass Own:\n    page: int\n"
            "    def __call__(self, state, folio):\n        return [(0, self.page)]\nown = Own(2)\n"
        )
        assert walks.get(f"{path}:own")(*hugh()).ptes == ((0, 2),)

    def test_a_module(self) -> None:
        walk = walks.get("ksm_rmap.walks:rmap_walk_anon")
        assert isinstance(walk, UserWalk)
        assert walk(*hugh()) == walks.WalkResult()

    def test_a_module_in_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "ksm_rmap_here.py").write_text(
            "def f(state, folio):\n    return [(0, 0)]\n", encoding="utf-8"
        )
        monkeypatch.delitem(sys.modules, "ksm_rmap_here", raising=False)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        assert walks.get("ksm_rmap_here:f")(*hugh()).ptes == ((0, 0),)

    def test_a_file_knows_where_it_is(self, write: Callable[[str], Path]) -> None:
        path = write("def f(state, folio):\n    raise ValueError(__file__)\n")
        assert f"ValueError: {path} (own.py, line 2)" in failure(
            lambda: walks.get(f"{path}:f")(*hugh())
        )

    def test_a_path_with_a_colon(self, tmp_path: Path) -> None:
        path = tmp_path / "a:b.py"
        path.write_text("def f(state, folio):\n    return []\n", encoding="utf-8")
        assert walks.get(f"{path}:f")(*hugh()).ptes == ()

    @pytest.mark.parametrize(
        ("name", "where"), [("own.py", "own.py"), ("own.py:", "own.py"), (":f", "f")]
    )
    def test_no_function_named(self, name: str, where: str) -> None:
        message = f"walk {name!r} names no function: write {where}:FUNCTION"
        assert failure(lambda: walks.get(name)) == message

    def test_no_such_file(self, tmp_path: Path) -> None:
        path = tmp_path / "nowhere.py"
        message = failure(lambda: walks.get(f"{path}:f"))
        assert message.startswith(f"walk '{path}:f': cannot load {path}: FileNotFoundError:")

    def test_no_such_module(self) -> None:
        assert failure(lambda: walks.get("ksm_rmap_none:f")) == (
            "walk 'ksm_rmap_none:f': cannot load ksm_rmap_none: "
            "ModuleNotFoundError: No module named 'ksm_rmap_none'"
        )

    def test_no_such_function(self, write: Callable[[str], Path]) -> None:
        path = write("from os import remove\nX = 1\ndef f(s, n): pass\ndef g(s, n): pass\n")
        message = failure(lambda: walks.get(f"{path}:h"))
        assert message.endswith(f"{path} has no function 'h'; it defines f, g")
        assert failure(lambda: walks.get(f"{path}:X")).endswith("no function 'X'; it defines f, g")

    def test_a_file_without_functions(self, write: Callable[[str], Path]) -> None:
        path = write("")
        assert failure(lambda: walks.get(f"{path}:h")).endswith("has no function 'h'")

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("def f(:\n", "SyntaxError: invalid syntax (own.py, line 1)"),
            ("import os\n1 / 0\n", "ZeroDivisionError: division by zero (own.py, line 2)"),
            ("raise SystemExit\n", "SystemExit (own.py, line 1)"),
            ("raise ValueError('a\\nb')\n", "ValueError: a (own.py, line 1)"),
        ],
    )
    def test_a_file_that_cannot_run(
        self, text: str, reason: str, write: Callable[[str], Path]
    ) -> None:
        path = write(text)
        assert failure(lambda: walks.get(f"{path}:f")) == (
            f"walk '{path}:f': cannot load {path}: {reason}"
        )


class TestCalling:
    def call(self, function: Callable[..., Any]) -> walks.WalkResult:
        return UserWalk("own", function)(*hugh())

    def test_pairs_are_places_to_look_at(self) -> None:
        result = self.call(lambda *_: ((0, page) for page in (2, 1, 0, 2, 5)))
        assert result.ptes == ((0, 2), (0, 0))
        assert result.loops == (walks.Loop(0, None, 5, visits=5),)

    def test_a_result_is_taken_as_it_is(self) -> None:
        result = self.call(walks.get("full"))
        assert result == walks.get("full")(*hugh())

    def test_repeated_ptes_count_once(self) -> None:
        result = self.call(lambda *_: walks.WalkResult(((0, 2), (0, 0), (0, 2))))
        assert result.ptes == ((0, 2), (0, 0))

    def test_the_control_reaches_a_function_that_takes_one(self) -> None:
        walk = UserWalk("own", walks.get("full"))
        control = walks.RmapWalkControl(rmap_one=lambda *_: False)
        assert len(walk(*hugh(), control=control).ptes) == 1
        plain = UserWalk("own", lambda _state, _folio: [])
        assert "unexpected keyword argument 'control'" in failure(
            lambda: plain(*hugh(), control=control)
        )

    def test_ordinary_folios_go_to_rmap_walk_anon(self) -> None:
        state = scenario.Scenario.parse("P mmap 0 1\nP write 0 1 1\n", name="test").run()
        folio = state.folio_at(0, 0)
        assert folio is not None
        walk = UserWalk("own", lambda *_: 1 / 0)
        assert walk(state, folio) == walks.rmap_walk_anon(state, folio)
        stop = walks.RmapWalkControl(rmap_one=lambda *_: False)
        assert walk(state, folio, control=stop).stopped
        assert failure(lambda: walk(state, 99)) == "walk of folio 99: there is no such folio"

    @pytest.mark.parametrize(
        ("returned", "shown"),
        [
            (None, "None"),
            (42, "42"),
            ("text", "'text'"),
            (b"text", "b'text'"),
            ([1], "[1]"),
            ([(1,)], "[(1,)]"),
            ([(0, 0.5)], "[(0, 0.5)]"),
            ([(0, True)], "[(0, True)]"),
            ([[0, 0]], "[[0, 0]]"),
            (["ab"], "['ab']"),
            ([(0, 10**5000), 3], "a list"),
            ("x" * 5000, "'xxxxxxxxxxxxxxxxxxxxxxxxxxx...xxxxxxxxxxxxxxxxxxxxxxxxxxxx'"),
        ],
    )
    def test_nonsense(self, returned: object, shown: str) -> None:
        _, folio = hugh()
        assert failure(lambda: self.call(lambda *_: returned)) == (
            f"walk 'own' of folio {folio}: returned {shown}, "
            "which is neither a WalkResult nor pairs (mm, page)"
        )

    def test_an_object_whose_repr_spans_lines(self) -> None:
        class Own:
            def __repr__(self) -> str:
                return "a\nb"

        assert "returned a b, which" in failure(lambda: self.call(lambda *_: Own()))

    @pytest.mark.parametrize(
        "result",
        [
            walks.WalkResult(ptes=[(0, 0)]),  # type: ignore[arg-type]
            walks.WalkResult(ptes=((0, 0.0),)),  # type: ignore[arg-type]
            walks.WalkResult(loops=[]),  # type: ignore[arg-type]
            walks.WalkResult(loops=((0, 0),)),  # type: ignore[arg-type]
        ],
    )
    def test_a_result_made_of_other_things(self, result: walks.WalkResult) -> None:
        message = failure(lambda: self.call(lambda *_: result))
        assert ": returned WalkResult(" in message
        assert message.endswith(
            ", whose ptes are not a tuple of pairs (mm, page), "
            "or whose loops are not a tuple of Loops"
        )

    def test_a_result_that_claims_a_pte_that_is_not_there(self) -> None:
        _, folio = hugh()
        result = walks.WalkResult(((0, 0), (0, 1)))
        assert failure(lambda: self.call(lambda *_: result)) == (
            f"walk 'own' of folio {folio}: says that page 1 of process 0 maps it, "
            "where there is None"
        )

    def test_an_exception_has_the_line_of_the_users_file(
        self, write: Callable[[str], Path]
    ) -> None:
        path = write("def f(state, folio):\n    return [\n        state.mms[99],\n    ]\n")
        _, folio = hugh()
        assert failure(lambda: walks.get(f"{path}:f")(*hugh())) == (
            f"walk '{path}:f' of folio {folio}: KeyError: 99 (own.py, line 3)"
        )

    def test_a_generator_that_fails_half_way(self) -> None:
        message = failure(lambda: self.call(lambda *_: (1 // (2 - n) for n in range(4))))
        assert "returned <generator object" in message
        message = failure(lambda: self.call(lambda *_: ((0, 1 // (2 - n)) for n in range(4))))
        assert "ZeroDivisionError: integer division or modulo by zero (test_walk_user.py" in message

    @pytest.mark.parametrize("error", [RecursionError, SystemExit, AssertionError, StopIteration])
    def test_any_exception_is_a_walk_error(self, error: type[BaseException]) -> None:
        def fails(*_: object) -> None:
            raise error

        assert error.__name__ in failure(lambda: self.call(fails))

    def test_interruption_passes(self) -> None:
        def interrupted(*_: object) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.call(interrupted)

    @pytest.mark.parametrize("wanted", [(5, 2), {5: 2}])
    def test_nonsense_in_a_range_names_the_walk(self, wanted: Any) -> None:  # noqa: ANN401 - nonsense
        message = failure(
            lambda: self.call(
                lambda state, folio: walks.ksm_walk(state, folio, range_of=lambda *_: wanted)
            )
        )
        _, folio = hugh()
        assert message.startswith(f"walk 'own' of folio {folio}: range {wanted} for item (0, 2) is")

    def test_repr(self) -> None:
        assert repr(UserWalk("own", len)) == "UserWalk('own', <built-in function len>)"


def test_walks_load_nothing_heavy() -> None:
    """`ksm_rmap.walks` costs the model, and no test engine."""
    code = "import sys, ksm_rmap.walks; print('hypothesis' in sys.modules)"
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(walks.__file__).parents[2],
    )
    assert done.stdout.strip() == "False"
