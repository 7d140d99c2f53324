"""What a hostile file can do to onnxviz: thousands of mutated models through the command line, each in a process of its own.

Usage: python benchmarks/hostile_files.py [--seed 0] [--files 10000] [--deep 500] [--minutes 60] [--findings DIR] [--only INDEX]

Every file is a small valid model (the samples, ONNX's own operator tests, and models with control flow, functions, sequences,
quantization, trees and ONNX Runtime's own operators) with one to five changes: to its graph (inputs dropped, renamed, emptied or
doubled, operators exchanged, attributes of another type or an extreme value, sizes negative or vast, values cut short, external data
that leads out of the folder, functions that call themselves, ...), to any field of its protocol buffer, or to its bytes. File number I
of seed S is the same on every machine with the same onnx; `--only I` writes it and shows what becomes of it.

All go through `inspect`, and `--deep` of those that it accepts through `verify`, `filters` and `maximize` too. The workers are forked
from a process that has imported everything and started nothing. A finding is a process that dies by a signal, runs longer than
`--seconds`, takes more than `--gigabytes`, or shows a traceback or a fault of onnxviz; a sentence and an exit code of 0 to 3 are none.
Deaths of onnx or ONNX Runtime that the command line survives and tells of are counted apart. The last line sums up; each finding is
written into `--findings` as the model and what was said.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy and torch start threads, which no fork survives
os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.environ["MKL_NUM_THREADS"] = "1"

import argparse
import collections
import contextlib
import gc
import importlib
import io
import pkgutil
import resource
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hostile_changes import hostile
from hostile_seeds import REPOSITORY, seeds
from onnx import ModelProto

DEEP = ("verify", "filters", "maximize")


@dataclass
class Run:
    """One verb on one file, in a process of its own."""

    index: int
    verb: str
    folder: Path
    changes: list[str]
    process: int = 0
    began: float = 0.0
    kind: str = ""
    code: int = 0
    said: str = ""
    words: list[str] = field(default_factory=list)


class Campaign:
    """Runs verbs on files, several at a time, and gathers what went wrong.

    Parameters
    ----------
    options : Namespace
        As the command line gives them.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.models = seeds()
        self.findings: list[Run] = []
        self.survived: collections.Counter[str] = collections.Counter()
        self.codes: dict[str, collections.Counter[int]] = collections.defaultdict(collections.Counter)
        self.ends = time.monotonic() + 60 * options.minutes
        self.root = Path(tempfile.mkdtemp(prefix="hostile"))

    def start(self, index: int, verb: str) -> Run:
        """Write a file and start a verb on it."""
        data, changes = hostile(self.models, self.options.seed, index)
        folder = self.root / f"{index}-{verb}"
        folder.mkdir()
        (folder / "model.onnx").write_bytes(data)
        (folder / "weights.bin").write_bytes(bytes(range(64)))
        run = Run(index, verb, folder, changes, words=words(verb, data))
        sys.stdout.flush()
        run.began = time.monotonic()
        run.process = os.fork()
        if not run.process:
            child(run, self.options)
        return run

    def ended(self, run: Run) -> bool:
        """Whether a run has ended, by itself or as it had to; then it is judged."""
        process, status, usage = os.wait4(run.process, os.WNOHANG)
        late = time.monotonic() - run.began > 20 * self.options.seconds  # it sleeps, or the machine is very busy
        if not process and not late:
            return False
        if not process:
            os.killpg(run.process, signal.SIGKILL)
            _, status, usage = os.wait4(run.process, 0)
        run.said = (run.folder / "said").read_text("utf-8", "replace")
        used = usage.ru_utime + usage.ru_stime
        if late or used > self.options.seconds or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
            run.kind = "hung"
        elif usage.ru_maxrss > (self.options.gigabytes * 2**20) + warm_kilobytes():
            run.kind = "over memory"
        elif os.WIFSIGNALED(status):
            run.kind = "killed"
            run.said += f"\nsignal {os.WTERMSIG(status)}"
        elif "Traceback" in run.said or "fault of onnxviz" in run.said or os.WEXITSTATUS(status) not in range(4):
            run.kind = "traceback"
        run.code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        self.codes[run.verb][run.code] += 1
        if "crashes (SIG" in run.said or "died of SIG" in run.said:
            self.survived[run.verb] += 1
        if run.kind:
            self.keep(run)
        shutil.rmtree(run.folder)
        return True

    def keep(self, run: Run) -> None:
        """Remember a finding, and write it down."""
        self.findings.append(run)
        tail = " | ".join(run.said.strip().splitlines()[-3:])[:400]
        print(f"{run.kind}: file {run.index}, {run.verb} ({', '.join(run.changes)}): {tail}", flush=True)
        if self.options.findings is None:
            return
        where = self.options.findings / f"{run.kind.replace(' ', '-')}-{run.verb}-{self.options.seed}-{run.index}"
        where.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(run.folder / "model.onnx", where.with_suffix(".onnx"))
        where.with_suffix(".txt").write_text(
            f"seed {self.options.seed}, file {run.index}: {', '.join(run.changes)}\n{' '.join(run.words)}\n\n{run.said[-8000:]}",
            "utf-8",
        )

    def all(self, jobs: Sequence[tuple[int, str]]) -> list[Run]:
        """Run verbs on files, several at a time, until the time is up; return what ended."""
        waiting, running, done = collections.deque(jobs), [], []
        while waiting or running:
            if time.monotonic() > self.ends:
                waiting.clear()
            while waiting and len(running) < self.options.workers:
                running.append(self.start(*waiting.popleft()))
            over = [run for run in running if self.ended(run)]
            if not over:
                time.sleep(0.002)
            running = [run for run in running if run not in over]
            done += over
            if over and len(done) % 500 == 0:
                print(f"{len(done)} of {len(jobs)}, {len(self.findings)} findings", flush=True)
        return done


def words(verb: str, data: bytes) -> list[str]:
    """Return the command line of a verb, with little work."""
    if verb != "maximize":
        return [verb, "model.onnx", *(["-o", "out"] if verb == "filters" else [])]
    try:
        graph = ModelProto.FromString(data).graph
        target = next(
            (value.name for value in graph.output if value.type.tensor_type.elem_type in (1, 10, 11)),
            graph.output[0].name,
        )
    except Exception:  # no model, or no output: what is asked for is not there
        target = "y"
    few = ["--steps", "2", "--restarts", "1", "--no-transforms"]
    return [verb, "model.onnx", "-t", str(target) or "y", *few, "-o", "out"]


def warm_kilobytes() -> int:
    """Return the memory that every forked process begins with."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def child(run: Run, options: argparse.Namespace) -> None:
    """Do a run in the forked process, and leave it."""
    code = 99
    try:
        os.setsid()  # what it starts ends with it
        os.chdir(run.folder)
        said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        nothing = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, nothing), (1, nothing), (2, said)):
            os.dup2(source, target)
        resource.setrlimit(resource.RLIMIT_CPU, (int(options.seconds) + 1, int(options.seconds) + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = held + int((options.gigabytes + 6) * 2**30)  # threads and arenas are only reserved
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        from onnxviz.cli import command_line

        code = command_line(run.words)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def warm(deep: bool) -> None:
    """Import all that `inspect` uses, or all that the other verbs use as well, and start nothing.

    What `inspect` does not use would make its forks slow. ONNX Runtime starts one thread as it is imported, which sleeps and which no
    session waits for.
    """
    import onnxruntime  # noqa: F401 # imported once here, so that no fork imports it again

    import onnxviz
    from onnxviz.cli import run

    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(io.StringIO()):
        for name in ("wine", "tones"):  # no pictures: their range is measured, by sessions
            run(["inspect", str(REPOSITORY / "sample_models" / f"{name}.onnx")])
    if deep:
        import matplotlib.pyplot
        import torch

        matplotlib.pyplot.switch_backend("agg")
        torch.set_num_threads(1)
    for module in pkgutil.walk_packages(onnxviz.__path__, "onnxviz."):
        if deep and not any(
            part in module.name for part in ("__main__", "cluster", "worker", "parquet", "experiments")
        ):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    threads = len(os.listdir("/proc/self/task"))
    if threads > 2:
        raise SystemExit(f"{threads} threads run already; no fork survives that")


def main() -> None:
    """Run the campaign and print its sum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="another seed, other files")
    parser.add_argument("--files", type=int, default=10_000, help="how many files go through inspect")
    parser.add_argument("--first", type=int, default=0, help="the number of the first file")
    parser.add_argument(
        "--deep", type=int, default=500, help="how many go through verify, filters and maximize as well"
    )
    parser.add_argument("--minutes", type=float, default=60, help="no file is begun later")
    parser.add_argument("--seconds", type=float, default=30, help="processor time of a run above which it hangs")
    parser.add_argument("--gigabytes", type=float, default=2, help="memory of a run above which it takes too much")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="runs at a time")
    parser.add_argument("--findings", type=Path, help="a folder for the files that were too much")
    parser.add_argument("--only", type=int, help="the number of one file: all four verbs, and what they say")
    options = parser.parse_args()
    campaign = Campaign(options)
    warm(deep=options.only is not None)
    try:
        if options.only is not None:
            campaign.all([(options.only, verb) for verb in ("inspect", *DEEP)])
            return
        began = time.monotonic()
        through = campaign.all([(index, "inspect") for index in range(options.first, options.first + options.files)])
        seen = {
            verb: collections.Counter(run.kind for run in campaign.findings if run.verb == verb)
            for verb in ("inspect", *DEEP)
        }
        accepted = sorted(run.index for run in through if run.code == 0 and not run.kind)
        chosen = accepted[:: max(1, len(accepted) // options.deep)][: options.deep] if options.deep else []
        print(f"inspect: {minutes(began)}; {len(accepted)} of {len(through)} accepted", flush=True)
        warm(deep=True)
        deep = campaign.all([(index, verb) for index in chosen for verb in DEEP])
        seen = {
            verb: collections.Counter(run.kind for run in campaign.findings if run.verb == verb)
            for verb in ("inspect", *DEEP)
        }
        for verb, codes in campaign.codes.items():
            print(f"{verb}: exit codes {dict(sorted(codes.items()))}; {campaign.survived[verb]} deaths survived")
        print(
            f"{len(through)} files: {tally(seen['inspect'])}; {len({run.index for run in deep})} through {', '.join(DEEP)}: "
            f"{tally(sum((seen[verb] for verb in DEEP), collections.Counter()))} ({minutes(began)})"
        )
    finally:
        shutil.rmtree(campaign.root, ignore_errors=True)


def tally(kinds: collections.Counter[str]) -> str:
    """Return how many findings of each kind there are, as words."""
    return f"{kinds['killed']} killed, {kinds['hung']} hung, {kinds['over memory']} over memory, {kinds['traceback']} tracebacks"


def minutes(began: float) -> str:
    """Return the time since then, as words."""
    return f"{(time.monotonic() - began) / 60:.1f} min"


if __name__ == "__main__":
    main()
