"""Copies of frozen dataclasses with some fields changed, as `dataclasses.replace` makes them, in a tenth of the time.

`replace` calls `__init__` with every field anew. What a run knows has more than thirty, and is changed for each stage
a dozen times.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import replace as changed
else:

    def changed(value, /, **changes):
        """A copy of a dataclass whose fields are all that it holds. Raises `TypeError` as `replace`."""
        kind = type(value)
        names = _names(kind)
        copy = object.__new__(kind)
        if not hasattr(copy, "__dict__"):
            for name in names:
                _set(copy, name, changes.pop(name) if name in changes else getattr(value, name))
            if changes:
                raise TypeError(f"{kind.__name__} has no such field")
            return copy
        inner = vars(value).copy()
        for _ in range(len(inner) - len(names)):
            inner.popitem()  # what was computed from the value once, and kept with it: behind the fields
        inner.update(changes)
        if len(inner) != len(names):
            raise TypeError(f"{kind.__name__} has no such field")
        _set(copy, "__dict__", inner)  # a dict that is copied whole, which filling one is not
        return copy


_set = object.__setattr__  # as the `__init__` of a frozen dataclass does


@functools.cache
def _names(kind: type[Any]) -> frozenset[str]:
    return frozenset(field.name for field in dataclasses.fields(kind))


__all__ = ["changed"]
