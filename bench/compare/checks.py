"""Whether two contenders did the same work."""

import math

#: Standard errors by which two means may differ: by chance once in two million comparisons.
ERRORS = 5


def differences(ours: dict, theirs: dict, tolerance: float) -> list[str]:
    """The differences between the reports `theirs` and `ours`, one line each.

    * whole numbers must be equal;
    * other numbers may differ by `tolerance` of ours;
    * each entry of a list may differ by `tolerance` of the root mean square of ours;
    * {"mean", "error"} may differ by ERRORS standard errors of the difference.
    """
    return [
        f"{name}: {brief(theirs.get(name))} instead of {brief(value)}"
        for name, value in ours.items()
        if name not in theirs or not agree(value, theirs[name], tolerance)
    ]


def agree(a, b, tolerance: float) -> bool:
    if isinstance(a, dict):
        return abs(a["mean"] - b["mean"]) <= ERRORS * math.hypot(a["error"], b["error"])
    if isinstance(a, list):
        size = math.sqrt(sum(x * x for x in a) / len(a))
        return len(a) == len(b) and all(
            abs(x - y) <= tolerance * size for x, y in zip(a, b, strict=True)
        )
    if isinstance(a, int):
        return a == b
    return abs(a - b) <= tolerance * abs(a)


def brief(value) -> str:
    """A value in a message."""
    if isinstance(value, dict):
        # Two digits of the error, and as many decimals of the mean.
        error = value["error"]
        small = 0 < error < math.inf
        decimals = max(0, 1 - math.floor(math.log10(error))) if small else 2
        return f"{value['mean']:.{decimals}f} ± {error:.{decimals}f}"
    if isinstance(value, list):
        return f"[{', '.join(f'{x:.6g}' for x in value[:6])}{', …' if len(value) > 6 else ''}]"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
