"""What an option takes, in words: typer hands on those of the library that checks its values."""

from __future__ import annotations

from typing import Any, Final

_KINDS: Final = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a smaller number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
}
_BOUNDS: Final = {
    "greater_than_equal": ("ge", "or more"),
    "less_than_equal": ("le", "or less"),
}


def wrong_value(error: BaseException) -> str | None:
    """One line: which option or argument takes what, and what it was given; None where the error is about
    something else."""
    takes = expected(error)
    hint = getattr(getattr(error, "param", None), "get_error_hint", None)
    if takes is None or hint is None:
        return None
    return f"{str(hint()).strip(chr(39))} takes {takes}, not {_first(error)['input']!r}"


def expected(error: BaseException) -> str | None:
    """What would have been right: ``a whole number``, ``0.01 or more``."""
    first = _first(error)
    kind = first.get("type", "")
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        return f"{first['ctx'][bound]} {words}"
    return _KINDS.get(kind)


def _first(error: BaseException) -> dict[str, Any]:
    """The first thing that is wrong, as pydantic describes it; nothing where another speaks."""
    listed = getattr(error.__cause__, "errors", None)
    found: list[dict[str, Any]] = listed() if callable(listed) else []
    return found[0] if found else {}
