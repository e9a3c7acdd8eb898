"""The context of results: the machine, the versions, the commit."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = [
    "numpy",
    "torch",
    "jax",
    "jaxlib",
    "onnxruntime",
    "envpool",
    "gymnasium",
    "mujoco",
    "stable-baselines3",
]
#: The processor features that the kernels of all contenders use.
FLAGS = [
    "avx2",
    "fma",
    "avx512f",
    "avx512_bf16",
    "avx512_fp16",
    "amx_tile",
    "amx_bf16",
    "asimd",
    "bf16",
]


#: The environment variables that keep a library to AVX2. ONNX Runtime has none.
AVX2_ONLY = {
    "FPO_SIMD": "avx2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
#: The same for XLA, among its other flags.
AVX2_ONLY_XLA = "--xla_cpu_max_isa=AVX2"


def instructions(flags: list[str]) -> str:
    """The widest vectors that the tables tell apart, of a machine with these features."""
    widest = (("amx_bf16", "AMX"), ("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"))
    return next((name for flag, name in widest if flag in flags), "scalar")


def output(*command: str) -> str:
    """The first line that a command prints."""
    result = subprocess.run(
        command, capture_output=True, text=True, cwd=Path(__file__).parent, check=True
    )
    return result.stdout.strip().split("\n")[0]


def cpu_info() -> dict[str, str]:
    """The first processor of /proc/cpuinfo."""
    first = Path("/proc/cpuinfo").read_text().split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def caches() -> dict[str, str]:
    """Sizes of the first processor's caches."""
    sizes = {}
    for cache in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = (
            (cache / name).read_text().strip() for name in ("level", "type", "size")
        )
        sizes[f"L{level} {kind.lower()}"] = size
    return sizes


def busy_seconds() -> float:
    """Busy time of all processors since the machine started, including time taken by a
    hypervisor."""
    total = Path("/proc/stat").read_text().splitlines()[0].split()[1:]
    user, nice, system, _idle, _waiting, irq, softirq, stolen, *_ = map(int, total)
    return (user + nice + system + irq + softirq + stolen) / os.sysconf("SC_CLK_TCK")


def installed(package: str) -> str | None:
    """The version of a Python package, if it is installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def describe() -> dict:
    """The current context."""
    cpu = cpu_info()
    flags = (cpu.get("flags") or cpu.get("Features", "")).split()
    changed = "+" if output("git", "status", "--porcelain") else ""
    avx2_only = os.environ.get("FPO_SIMD") == "avx2"
    return {
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
        "commit": output("git", "rev-parse", "--short", "HEAD") + changed,
        "cpu": cpu.get("model name", platform.machine()),
        "family, model, stepping": ", ".join(
            cpu.get(k, "?") for k in ("cpu family", "model", "stepping")
        ),
        "flags": [flag for flag in FLAGS if flag in flags],
        "avx2_only": avx2_only,
        "instructions": "AVX2" if avx2_only else instructions(flags),
        "cores": len(os.sched_getaffinity(0)),
        "caches": caches(),
        "memory GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": {
            "python": platform.python_version(),
            "rustc": output("rustc", "--version").split()[1],
            **{name: version for name in PACKAGES if (version := installed(name))},
        },
    }
