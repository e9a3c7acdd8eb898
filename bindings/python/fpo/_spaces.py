"""Observations and actions of Gymnasium's spaces as rows of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ._errors import InputError

Floats = NDArray[np.float32]

#: Entries of a `Box` from which it is taken for a picture if it also has the shape of one.
PICTURE_ENTRIES = 1024
#: Numbers of a pixel.
COLORS = (1, 3, 4)


class Actions:
    """The bounds of a `Box` of actions, and rows of numbers as its members."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        if not isinstance(space, spaces.Box):
            kind = type(space).__name__
            raise InputError(
                f"actions of kind {kind} are not supported: fpo trains continuous actions, so use "
                "a Box (for a choice, let its entries be scores, of which the environment takes "
                "the largest)"
            )
        if not np.issubdtype(space.dtype, np.floating):
            raise InputError(
                f"actions of type {space.dtype} are not supported: use a Box of floats, and round "
                "them in the environment"
            )
        self.low = np.asarray(space.low, dtype=np.float32).ravel()
        self.high = np.asarray(space.high, dtype=np.float32).ravel()
        width = self.high - self.low
        if not (np.isfinite(self.low).all() and np.isfinite(width).all() and (width > 0).all()):
            raise InputError(
                "the action space has a bound that is infinite or an entry without a range: give "
                "each entry finite bounds, low below high"
            )
        self.space = space

    def batch(self, rows: Floats) -> NDArray[Any]:
        """Rows `[n, entries]` as a batch of the space's shape and type."""
        shaped = rows.reshape((len(rows), *self.space.shape))
        return shaped.astype(self.space.dtype, copy=False)


class Observations:
    """The entries of an observation, and observations as rows of them.

    A `Box` has its entries in order; a `Dict` or `Tuple` those of its members; a `Discrete` or
    `MultiDiscrete` in one counts as one entry per value, of which one is 1.
    """

    def __init__(self, space: spaces.Space[Any]) -> None:
        #: Name and number of entries of each part.
        self.parts: list[tuple[str, int]] = []
        self._leaves: list[tuple[Callable[[Any], Any], _Fill, slice]] = []
        self._plain = isinstance(space, spaces.Box)
        self._add(space, "observation", lambda observation: observation)
        #: Entries in all.
        self.size = sum(size for _, size in self.parts)
        if self.size == 0:
            raise InputError("the observation space has no entries")

    def rows(self, observation: Any, n: int) -> Floats:
        """A batch of `n` observations as rows `[n, size]`.

        Raises:
            InputError: If it is not of the space.
        """
        if self._plain:
            array = np.asarray(observation, dtype=np.float32)
            if array.size != n * self.size:
                raise _misshapen("observations", array, [n, self.size])
            return np.ascontiguousarray(array.reshape(n, self.size))
        out = np.zeros((n, self.size), dtype=np.float32)
        for get, fill, place in self._leaves:
            fill(np.asarray(get(observation)), out[:, place])
        return out

    def row(self, observation: Any, out: Floats) -> None:
        """One observation as a row `[size]`, written to `out`.

        Raises:
            InputError: If it is not of the space.
        """
        if self._plain:
            array = np.asarray(observation)
            if array.size != self.size:
                # NumPy would repeat a single number.
                raise _misshapen("observation", array, [self.size])
            out[:] = array.ravel()
            return
        out[:] = 0.0
        for get, fill, place in self._leaves:
            fill(np.asarray(get(observation))[None], out[None, place])

    def _add(self, space: spaces.Space[Any], name: str, get: Callable[[Any], Any]) -> None:
        if isinstance(space, spaces.Dict):
            for key, part in space.spaces.items():
                self._add(part, _joined(name, key), _member(get, key))
        elif isinstance(space, spaces.Tuple):
            for index, part in enumerate(space.spaces):
                self._add(part, _joined(name, index), _member(get, index))
        elif isinstance(space, spaces.Box):
            if is_picture(space):
                raise InputError(
                    f"`{name}` is a picture of shape {list(space.shape)}: fpo learns from vectors, "
                    "so let the environment give positions and velocities, or features of the "
                    "picture (a wrapper with an encoder)"
                )
            self._leaf(name, int(np.prod(space.shape)), get, _filler(name))
        elif isinstance(space, spaces.MultiBinary):
            self._leaf(name, int(np.prod(space.shape)), get, _filler(name))
        elif isinstance(space, spaces.Discrete):
            self._leaf(name, int(space.n), get, _one_hot(name, [int(space.n)], [int(space.start)]))
        elif isinstance(space, spaces.MultiDiscrete):
            counts = [int(n) for n in space.nvec.ravel()]
            starts = [int(n) for n in np.asarray(space.start).ravel()]
            self._leaf(name, sum(counts), get, _one_hot(name, counts, starts))
        else:
            raise InputError(
                f"`{name}` is an observation of kind {type(space).__name__}, which is not "
                "supported: use Box, or Dict or Tuple of Box and Discrete"
            )

    def _leaf(self, name: str, size: int, get: Callable[[Any], Any], fill: _Fill) -> None:
        start = sum(size for _, size in self.parts)
        self._leaves.append((get, fill, slice(start, start + size)))
        self.parts.append((name, size))


_Fill = Callable[[NDArray[Any], Floats], None]


def _misshapen(name: str, array: NDArray[Any], expected: list[int]) -> InputError:
    return InputError(
        f"the environment gave `{name}` of shape {list(array.shape)}, where its observation_space "
        f"has {expected}"
    )


def _filler(name: str) -> _Fill:
    """Fills in numbers as they are."""

    def fill(values: NDArray[Any], out: Floats) -> None:
        if values.size != out.size:
            raise _misshapen(name, values, list(out.shape))
        out[:] = values.reshape(out.shape)

    return fill


def _one_hot(name: str, counts: list[int], starts: list[int]) -> _Fill:
    """Fills in a 1 for the value of each choice."""
    firsts = np.cumsum([0, *counts[:-1]])

    def fill(values: NDArray[Any], out: Floats) -> None:
        if values.size != len(out) * len(counts):
            raise _misshapen(name, values, [len(out), len(counts)])
        chosen = values.reshape(len(out), len(counts)) - np.array(starts)
        if not ((chosen >= 0) & (chosen < np.array(counts))).all():
            raise InputError(
                f"the environment gave `{name}` = {values.tolist()}, which its observation_space "
                "does not contain"
            )
        np.put_along_axis(out, (chosen + firsts).astype(np.int64), 1.0, axis=1)

    return fill


def is_picture(space: spaces.Box) -> bool:
    """Whether a `Box` is one of pixels: rows and columns of bytes or of colors."""
    shape = space.shape
    if int(np.prod(shape)) < PICTURE_ENTRIES:
        return False
    bytes_of_rows = len(shape) >= 2 and space.dtype == np.uint8
    return bytes_of_rows or (len(shape) == 3 and (shape[0] in COLORS or shape[2] in COLORS))


def flatten(space: spaces.Space[Any], observation: Any) -> Floats:
    """One observation of a `Dict`, `Tuple` or other space as the row of numbers that a policy
    takes: `policy.act(fpo.flatten(env.observation_space, observation))`.

    Raises:
        InputError: If the space is not supported, or the observation is not of it.
    """
    observations = Observations(space)
    row = np.zeros(observations.size, dtype=np.float32)
    observations.row(observation, row)
    return row


def _member(get: Callable[[Any], Any], key: Any) -> Callable[[Any], Any]:
    def member(observation: Any) -> Any:
        try:
            return get(observation)[key]
        except (KeyError, IndexError):
            raise InputError(
                f"the environment gave an observation without `{key}`, which its "
                "observation_space has"
            ) from None

    return member


def _joined(name: str, key: object) -> str:
    return str(key) if name == "observation" else f"{name}/{key}"
