"""A contender's process: pinned to as many cores as it has threads, stopped between requests."""

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import machine

HERE = Path(__file__).parent
#: Seconds to wait for an answer; compiling takes the longest.
PATIENCE = 600
#: Unset, so that numpy selects its own kernels.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


class WorkerFailed(Exception):
    """A worker that has ended or does not answer."""


def environment(threads: int) -> dict[str, str]:
    """Variables that make every library use `threads` threads, and AVX2 where fpo does."""
    variables = {name: value for name, value in os.environ.items() if name not in UNSET}
    for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "RAYON"):
        variables[f"{library}_NUM_THREADS"] = str(threads)
    eigen = str(threads > 1).lower()
    variables["XLA_FLAGS"] = (
        f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    )
    if variables.get("FPO_SIMD") == "avx2":
        variables |= machine.AVX2_ONLY
        variables["XLA_FLAGS"] += f" {machine.AVX2_ONLY_XLA}"
    variables |= {
        "JAX_PLATFORMS": "cpu",
        "CUDA_VISIBLE_DEVICES": "",
        "TORCHINDUCTOR_COMPILE_THREADS": "1",
    }
    return variables


class Worker:
    """A running worker: the program `command`, pinned to the first `threads` of this process's
    cores."""

    #: Processor seconds of all workers that have ended, with their children's.
    spent = 0.0

    def __init__(self, command: list[str], threads: int):
        cores = sorted(os.sched_getaffinity(0))[:threads]
        self.log = tempfile.TemporaryFile()
        # Simulators write files into their working directory.
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment(threads),
            cwd=self.folder.name,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
            # A process group of its own, so that its children are stopped and ended with it.
            start_new_session=True,
        )

    def ask(self, request: dict) -> dict:
        """Wakes the worker, sends a request, waits for the answer and stops the worker again."""
        self.signal(signal.SIGCONT)
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        if not select.select([self.process.stdout], [], [], PATIENCE)[0]:
            raise WorkerFailed(f"no answer after {PATIENCE} s\n{self.last_words()}")
        answer = self.process.stdout.readline()
        if not answer:
            raise WorkerFailed(self.last_words())
        self.signal(signal.SIGSTOP)
        return json.loads(answer)

    def last_words(self) -> str:
        """The end of its standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def signal(self, number: int) -> None:
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def end(self) -> None:
        """Ends it and its children."""
        Worker.spent += processor_seconds(self.process.pid)
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()


def processor_seconds(session: int) -> float:
    """Processor seconds of the processes of a session."""
    ticks = 0
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # After the name in parentheses: state, parent, group, session, …, times of its own and
            # of ended children.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session:
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def python(name: str) -> list[str]:
    """The command that runs a Python worker."""
    return [sys.executable, str(HERE / "workers" / f"{name}_worker.py")]
