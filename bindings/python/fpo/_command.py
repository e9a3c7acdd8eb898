"""The command `fpo`, the same as that of the Rust program."""

import sys

from ._native import run_command


def main() -> int:
    """Runs the command line of the process and returns the exit code."""
    return run_command(["fpo", *sys.argv[1:]])


if __name__ == "__main__":
    sys.exit(main())
