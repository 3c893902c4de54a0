"""`Rules` as words of a scenario: `7.0`, or `7.0 mremap_unmerges=off merge_rule=old`.

No analogue in the kernel. A preset is its name; other rules are the preset that their name
starts with and the fields that differ from it. On and off are the truth values.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum

from ksm_rmap.model.rules import Rules

__all__ = ("rules_from_text", "rules_text")

_SWITCH = {"on": True, "off": False}


def rules_from_text(text: str) -> Rules:
    """Return the rules that `text` writes; ValueError says which word is wrong and why."""
    name, *changes = text.split() or [""]
    rules = Rules.preset(name)
    parsed = dict(_change(rules, word) for word in changes)
    return rules.replace(**parsed) if parsed else rules


def _change(rules: Rules, word: str) -> tuple[str, bool | enum.Enum]:
    field, _, value = word.partition("=")
    fields = [f.name for f in dataclasses.fields(Rules) if f.name != "name"]
    if field not in fields:
        close = difflib.get_close_matches(field, fields, 1)
        hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(fields)}"
        raise ValueError(f"no field {field!r} of the rules; {hint}")
    now: bool | enum.Enum = getattr(rules, field)
    known = {m.value: m for m in type(now)} if isinstance(now, enum.Enum) else _SWITCH
    if value not in known:
        raise ValueError(f"{field} is one of {', '.join(known)}, not {value!r}")
    return field, known[value]


def rules_text(rules: Rules) -> str:
    """Return the words that `rules_from_text` turns into equal decisions."""
    base = Rules.preset(rules.name.partition("+")[0])
    changes = [
        f"{field.name}={_word(getattr(rules, field.name))}"
        for field in dataclasses.fields(Rules)
        if field.name != "name" and getattr(rules, field.name) != getattr(base, field.name)
    ]
    return " ".join([base.name, *changes])


def _word(value: object) -> str:
    return str(value.value) if isinstance(value, enum.Enum) else "on" if value else "off"
