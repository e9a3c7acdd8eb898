"""The results as Markdown."""

import textwrap
from pathlib import Path


def markers(instructions: str) -> tuple[str, str]:
    """The lines around the tables of machines with these instructions."""
    return (
        f"<!-- begin results, {instructions}: written by bench/compare, do not edit -->",
        f"<!-- end results, {instructions} -->",
    )


def number(x: float) -> str:
    """Three significant digits, at most three decimals, no exponent."""
    places = next((places for places in range(3) if abs(x) >= 10 ** (2 - places)), 3)
    return f"{x:.{places}f}"


def spread(s: dict[str, float]) -> str:
    """The median, and the range of most rounds."""
    low, high = sorted((s["p10"], s["p90"]))
    return f"{number(s['median'])} ({number(low)}–{number(high)})"


def verdict(target: float, rate: bool, ratios: list[float]) -> str:
    """The target, and whether every ratio meets it."""
    text = f"≥ {target:g}" if rate else f"≤ {target:g}"
    if not ratios:
        return text
    met = all(ratio >= target if rate else ratio <= target for ratio in ratios)
    return f"{text}, {'met' if met else '**missed**'}"


def section(workload: dict, builds: bool = False) -> str:
    """One workload: a row per contender, with its value and this project's ratio to it for each
    number of threads. With `builds` contenders are of two builds: ratios are of the new to the old
    one, with their spread, since they tend to be next to 1, and there are no targets."""
    unit, rate = workload["unit"], workload["rate"]
    threads = [str(n) for n in workload["threads"]]
    name = "new / old" if builds else "fpo / it"
    head = ["", *(x for n in threads for x in (f"{unit}, {plural(n)}", name))]
    rule = ["---"] + ["---:"] * (len(head) - 1)
    if not builds:
        head, rule = [*head, "target"], [*rule, "---"]
    lines = [f"### {workload['title']}", "", row(head), row(rule)]
    missing = {}
    for contender in workload["contenders"]:
        cells, ratios = [], []
        for n in threads:
            result = contender["threads"].get(n, {})
            if "unavailable" in result:
                missing[contender["name"]] = result["unavailable"]
            ratio = result.get("ratio")
            cells.append(spread(result["figure"]) if "figure" in result else "–")
            shown = spread if builds else lambda ratio: number(ratio["median"])
            cells.append(shown(ratio) if ratio else "")
            ratios += [ratio["median"]] if ratio else []
        target = contender["target"]
        if not builds:
            cells.append(verdict(target, rate, ratios) if target is not None else "")
        lines.append(row([contender["name"], *cells]))
    if len(workload["contenders"]) == 1 and len(threads) > 1:
        first, last = (
            workload["contenders"][0]["threads"][n]["figure"]["median"]
            for n in (threads[0], threads[-1])
        )
        times = last / first if rate else first / last
        lines += ["", f"From {plural(threads[0])} to {threads[-1]}: {number(times)} times as fast."]
    if missing:
        reasons = (f"{name} ({reason})" for name, reason in missing.items())
        text = f"Not measured: {'; '.join(reasons)}."
        lines += ["", *textwrap.wrap(text, 100, break_on_hyphens=False)]
    lines += [line for difference in workload.get("differences", []) for line in ("", difference)]
    return "\n".join(lines)


def plural(threads: str) -> str:
    return f"{threads} thread{'s' if threads != '1' else ''}"


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def facts(machine: dict) -> str:
    """The context of the results."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    caches = ", ".join(f"{name} {size}" for name, size in machine["caches"].items())
    cpu = f"{machine['cpu']}, family, model, stepping {machine['family, model, stepping']}"
    kept = " (all kept to AVX2)" if machine["avx2_only"] else ""
    text = (
        f"Measured {machine['date']} at commit {machine['commit']} "
        f"on {machine['cores']} cores of {cpu}, "
        f"{', '.join(machine['flags'])}{kept}, {caches}; {machine['kernel']}; {versions}. "
        f"Meanwhile other processes took {100 * machine['others']:.1f} % of the cores."
    )
    return textwrap.fill(text, 100, break_on_hyphens=False)


def markdown(results: dict) -> str:
    """Everything between the markers; or, of a run beside another build, everything."""
    builds = "baseline" in results
    parts = [facts(results["machine"])]
    if builds:
        text = (
            f"New is this build, old, the baseline, is {results['baseline']}. "
            "A ratio of times above 1, or of rates below 1, says that the new one is slower."
        )
        parts.append(textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False))
    return "\n\n".join(parts + [section(workload, builds) for workload in results["workloads"]])


def insert(path: Path, instructions: str, text: str) -> None:
    """Writes `text` between the markers of the file for `instructions`."""
    first, last = markers(instructions)
    before, begin, rest = path.read_text().partition(first)
    old, end, after = rest.partition(last)
    if not (begin and end):
        raise ValueError(f"{path} lacks the lines `{first}` and `{last}`")
    path.write_text(f"{before}{begin}\n\n{text}\n\n{end}{after}")
