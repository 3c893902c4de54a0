"""Walks of the user's own: loaded by name, called with care. No analogue in the kernel.

Rules of this module:

1. A walk is a function `(state, folio)`. It returns a `WalkResult`, or the places to look at as
   pairs `(mm, page)`; of those, each is a visit, and the ones that map the folio are found.
2. Whatever goes wrong in the user's code is a `WalkError` of one line that names the walk, the
   folio, and the line of the user's file. Ctrl-C passes.
3. The function is asked for KSM folios only; an ordinary folio goes to `rmap_walk_anon`, as
   `rmap_walk()` sends it there.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import reprlib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ksm_rmap.walks.anon import rmap_walk_anon
from ksm_rmap.walks.engine import maps
from ksm_rmap.walks.errors import WalkError
from ksm_rmap.walks.result import Loop, WalkResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, ModuleType

    from ksm_rmap.model.state import State
    from ksm_rmap.walks.control import RmapWalkControl

__all__ = ("UserWalk", "load")

_FAILURES = (Exception, SystemExit)


class UserWalk:
    """A function of the user's as a named walk; raises nothing but `WalkError`.

    >>> from ksm_rmap.model.state import Folio, Mapping, State, StableNode
    >>> from ksm_rmap.model._sorted_map import SortedMap
    >>> state = State(
    ...     folios=SortedMap([(3, Folio(Mapping.KSM, 3, 0, 0, False, 7))]),
    ...     nodes=SortedMap([(3, StableNode(3, 7))]),
    ... )
    >>> UserWalk("blind", lambda state, folio: [])(state, 3).ptes
    ()
    >>> UserWalk("broken", lambda state, folio: 42)(state, 3)
    Traceback (most recent call last):
        ...
    ksm_rmap.walks.errors.WalkError: walk 'broken' of folio 3: returned 42, which is neither a \
WalkResult nor pairs (mm, page)
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name = name
        self.function = function
        code = getattr(function, "__code__", None)
        self._file: str | None = code.co_filename if code else None

    @property
    def summary(self) -> str:
        """The first line of the function's docstring."""
        lines = (getattr(self.function, "__doc__", None) or "").strip().splitlines()
        return lines[0] if lines else "a walk of the user's own"

    def __repr__(self) -> str:
        return f"UserWalk({self.name!r}, {self.function!r})"

    def __call__(
        self, state: State, folio: int, /, *, control: RmapWalkControl | None = None
    ) -> WalkResult:
        """Walk the reverse map of `folio`; `control` reaches the function only if given."""
        found = state.folios.get(folio)
        if found is None or not found.ksm:
            return rmap_walk_anon(state, folio, control=control)
        options = {} if control is None else {"control": control}
        where = f"walk {self.name!r} of folio {folio}"
        try:
            result = _as_result(state, folio, self.function(state, folio, **options))
        except _Nonsense as nonsense:
            raise WalkError(
                f"{where}: returned {_shown(nonsense.returned)}, "
                "which is neither a WalkResult nor pairs (mm, page)"
            ) from None
        except WalkError as error:
            raise WalkError(f"{where}: {str(error).partition(': ')[2] or error}") from error
        except _FAILURES as error:
            raise WalkError(f"{where}: {_reason(error, self._file)}") from error
        return _checked(state, folio, result, where)


class _Nonsense(Exception):  # noqa: N818 - a signal inside this module, never seen outside
    """What the walk returned is not a sequence of pairs."""

    def __init__(self, returned: object) -> None:
        super().__init__()
        self.returned = returned


def _is_pair(place: object) -> bool:
    if not isinstance(place, tuple) or len(place) != len(("mm", "page")):
        return False
    return all(type(number) is int for number in place)


def _is_loop(loop: object) -> bool:
    return isinstance(loop, Loop)


def _as_result(state: State, folio: int, returned: object) -> WalkResult:
    """Return what a walk returned as a result: pairs are visited one by one."""
    if isinstance(returned, WalkResult):
        return returned
    if isinstance(returned, (str, bytes)) or not isinstance(returned, Iterable):
        raise _Nonsense(returned)
    found: dict[tuple[int, int], None] = {}
    visits = 0
    for place in returned:
        if not _is_pair(place):
            raise _Nonsense(returned)
        visits += 1
        if maps(state.pte(*place), folio):
            found[place] = None
    return WalkResult(tuple(found), (Loop(0, None, visits, visits=visits),))


def _checked(state: State, folio: int, result: WalkResult, where: str) -> WalkResult:
    """Return `result` if it is made of what it should be and claims nothing false."""
    ptes: object = result.ptes
    loops: object = result.loops
    made_well = isinstance(ptes, tuple) and isinstance(loops, tuple)
    if not made_well or not all(map(_is_pair, result.ptes)) or not all(map(_is_loop, result.loops)):
        raise WalkError(
            f"{where}: returned {_shown(result)}, whose ptes are not a tuple of pairs "
            "(mm, page), or whose loops are not a tuple of Loops"
        )
    for mm, page in result.ptes:
        pte = state.pte(mm, page)
        if not maps(pte, folio):
            raise WalkError(
                f"{where}: says that page {page} of process {mm} maps it, where there is {pte}"
            )
    return result._replace(ptes=tuple(dict.fromkeys(result.ptes)))


def load(name: str) -> UserWalk:
    """Return the walk named `module:function` or `path/file.py:function`.

    A file is run each time it is loaded, with its own directory first on the path; a module is
    imported, with the working directory first on the path. `WalkError` says what is wrong.
    """
    where, _, attribute = name.rpartition(":")
    if not where or not attribute:
        raise WalkError(f"walk {name!r} names no function: write {where or attribute}:FUNCTION")
    try:
        module = _load_file(Path(where)) if where.endswith(".py") else _load_module(where)
    except _FAILURES as error:
        reason = _reason(error, str(Path(where)))
        raise WalkError(f"walk {name!r}: cannot load {where}: {reason}") from error
    function = getattr(module, attribute, None)
    if not callable(function):
        raise WalkError(f"walk {name!r}: {where} has no function {attribute!r}{_offer(module)}")
    return UserWalk(name, function)


class _SourceLoader(importlib.machinery.SourceFileLoader):
    """Runs a file as it is now, and leaves no __pycache__ beside it."""

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _load_file(path: Path) -> ModuleType:
    loader = _SourceLoader(f"ksm_rmap_user_{path.stem}", str(path))
    spec = importlib.machinery.ModuleSpec(loader.name, loader, origin=str(path))
    spec.has_location = True
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    with _on_path(path.parent):
        loader.exec_module(module)
    return module


def _load_module(name: str) -> ModuleType:
    with _on_path(Path.cwd()):
        return importlib.import_module(name)


@contextlib.contextmanager
def _on_path(directory: Path) -> Iterator[None]:
    sys.path.insert(0, str(directory))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(directory))


def _offer(module: ModuleType) -> str:
    own = [
        name
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__ and callable(value)
    ]
    return f"; it defines {', '.join(own)}" if own else ""


def _reason(error: BaseException, file: str | None) -> str:
    """Return one line: the kind of `error`, what it says, and the line of `file` it came from."""
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == file]
    return f"{text} ({Path(file).name}, line {lines[-1]})" if file and lines else text


class _ShortRepr(reprlib.Repr):
    """One line of what a walk returned, whatever it is."""

    def __init__(self) -> None:
        super().__init__()
        self.maxother = self.maxstring = 60


def _shown(value: object) -> str:
    try:
        return _ShortRepr().repr(value).replace("\n", " ")
    except Exception:  # noqa: BLE001 - a repr may fail in any way
        return f"a {type(value).__name__}"
