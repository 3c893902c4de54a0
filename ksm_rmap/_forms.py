"""Which form is wanted of the parts that have one in C and one in Python.

The C form is used where it was compiled; `KSM_RMAP_PURE=1` in the environment chooses the Python
form of every part, for tests and for debugging.
"""

from __future__ import annotations

import os

__all__ = ("C_WANTED",)

C_WANTED: bool = os.environ.get("KSM_RMAP_PURE", "0") in {"", "0"}
"""Whether the C forms may be used."""
