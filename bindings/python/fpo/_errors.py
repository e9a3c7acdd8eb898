"""Exceptions. All of them are `Error`, with one line that says what is wrong and what to do."""

from __future__ import annotations

import operator
from typing import Any


class Error(Exception):
    """An error of fpo."""


class InputError(Error, ValueError):
    """The input is wrong: a name, a setting, an environment, a file."""


class TrainingError(Error, RuntimeError):
    """Something failed while running: a number that is not finite, a full disk."""


def whole(name: str, value: Any, low: int, high: int) -> int:
    """The argument `name` as a whole number of a range.

    Raises:
        InputError: If it is none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        raise InputError(f"{name} = {value!r}: a whole number is expected") from None
    if not low <= number <= high:
        limits = f"at least {low}" if high >= 2**62 else f"{low} to {high}"
        raise InputError(f"{name} = {number} is out of range: {limits}")
    return number
