"""What a training shows: a bar in a terminal or a notebook, lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

#: Seconds between lines where there is no bar.
LINES_EVERY = 10.0


class Progress:
    """Shows a training on standard error."""

    def __init__(self, task: str, done: int, total: int) -> None:
        self.done = done
        self.total = total
        self.last_line = time.monotonic()
        self.episode_return = math.nan
        self.bar: Any = None
        if in_notebook() or sys.stderr.isatty():
            from tqdm.auto import tqdm

            self.bar = tqdm(
                total=total, initial=done, desc=task, unit="step", unit_scale=True, leave=False
            )

    def iteration(self, row: dict[str, Any]) -> None:
        """Shows that an iteration is done."""
        value = row.get("episode_return")
        if value is not None and math.isfinite(value):
            self.episode_return = value
        returned = "" if math.isnan(self.episode_return) else f"return {self.episode_return:.1f}"
        if self.bar is not None:
            self.bar.set_postfix_str(returned, refresh=False)
            self.bar.update(row["env_steps"] - self.done)
            self.done = row["env_steps"]
        elif time.monotonic() - self.last_line >= LINES_EVERY or row["env_steps"] >= self.total:
            self.last_line = time.monotonic()
            rate = row.get("time/steps_per_second", math.nan)
            self.line(
                f"{row['env_steps']:,} of {self.total:,} steps  {returned}  {rate:,.0f} steps/s"
            )

    def line(self, text: str) -> None:
        """Shows a line that stays."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Removes the bar."""
        if self.bar is not None:
            self.bar.close()


def in_notebook() -> bool:
    """Whether this is a notebook, where standard error is no terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and "IPKernelApp" in getattr(shell, "config", {})
