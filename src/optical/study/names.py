"""What a mistyped name may have meant."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the known name that is most like ``name``, or with all if none is like it."""
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Known are: {', '.join(names)}." if names else "None is known."
