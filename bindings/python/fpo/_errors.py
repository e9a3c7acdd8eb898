"""Exceptions. All of them are `Error`, with one line that says what is wrong and what to do."""


class Error(Exception):
    """An error of fpo."""


class InputError(Error, ValueError):
    """The input is wrong: a name, a setting, an environment, a file."""


class TrainingError(Error, RuntimeError):
    """Something failed while running: a number that is not finite, a full disk."""
