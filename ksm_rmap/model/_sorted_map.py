"""Maps and records of the model, in the form that was chosen.

No analogue in the kernel. A state is made of sorted maps and of named tuples. Both have a form in
C, used where it was compiled, and one in Python, which behave alike. ``COMPILED`` tells which one
this is; the environment variable ``KSM_RMAP_PURE=1`` chooses the Python form, for tests and for
debugging.

`SortedMap` is a `PagedMap`: in C it looks keys up, and lists and changes a map of one page; the
rest is left to Python. `record` decorates each NamedTuple of the model and `frozen_record` its
dataclass: in C they replace functions that Python writes for such a class by quicker ones of
equal meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ksm_rmap._forms import C_WANTED

if TYPE_CHECKING:
    from ksm_rmap.model._pure import SortedMap, frozen_record, record

__all__ = ("COMPILED", "SortedMap", "frozen_record", "record")

COMPILED: bool = C_WANTED
"""Whether these are the C forms."""

if not TYPE_CHECKING:
    if COMPILED:
        try:
            from ksm_rmap.model._compiled import SortedMap, frozen_record, record
        except ImportError:  # no compiler when it was installed
            COMPILED = False
    if not COMPILED:
        from ksm_rmap.model._pure import SortedMap, frozen_record, record
    # Pickles name this module, so that one form can load what the other has written.
    SortedMap.__module__ = __name__
