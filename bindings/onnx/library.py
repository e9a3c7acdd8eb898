"""The built program, and the library for C as Python's ctypes loads it."""

import ctypes
import os
import subprocess
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release"
PROGRAM = BUILD / "fpo"


def fpo(folder: Path, *arguments: str) -> str:
    """Runs the program in `folder`; returns what it prints."""
    command = [PROGRAM, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"
    return done.stdout


def newest(name: str) -> Path:
    """The newest library of this name; Cargo has two places for it."""
    found = [path for path in (BUILD / name, BUILD / "deps" / name) if path.exists()]
    assert found, f"no {name} in {BUILD}: cargo test --release --workspace builds it"
    return max(found, key=lambda path: path.stat().st_mtime)


FLOATS = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
LIBRARY = ctypes.CDLL(str(newest("libfpo_c.so")))
LIBRARY.fpo_last_error.restype = ctypes.c_char_p
LIBRARY.fpo_policy_load.argtypes = [
    ctypes.c_char_p,
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_void_p),
]
LIBRARY.fpo_policy_act.argtypes = [
    ctypes.c_void_p,
    *[FLOATS, ctypes.c_size_t] * 3,
]
LIBRARY.fpo_policy_free.argtypes = [ctypes.c_void_p]
for size in ("observation", "noise", "action"):
    function = getattr(LIBRARY, f"fpo_policy_{size}_size")
    function.argtypes, function.restype = [ctypes.c_void_p], ctypes.c_size_t


class Policy:
    """A policy file, acting through the library."""

    def __init__(self, path: Path, max_rows: int):
        self.pointer = ctypes.c_void_p()
        status = LIBRARY.fpo_policy_load(
            os.fsencode(path), max_rows, ctypes.byref(self.pointer)
        )
        assert status == 0, LIBRARY.fpo_last_error().decode()
        self.observation, self.noise, self.action = (
            getattr(LIBRARY, f"fpo_policy_{size}_size")(self.pointer)
            for size in ("observation", "noise", "action")
        )

    def act(self, observation: np.ndarray, noise: np.ndarray) -> np.ndarray:
        action = np.empty((len(observation), self.action), np.float32)
        arrays = [x for array in (observation, noise, action) for x in (array, array.size)]
        status = LIBRARY.fpo_policy_act(self.pointer, *arrays)
        assert status == 0, LIBRARY.fpo_last_error().decode()
        return action

    def __del__(self):
        LIBRARY.fpo_policy_free(self.pointer)
