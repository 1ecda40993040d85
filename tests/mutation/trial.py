"""One trial: tests run in a fork of this process, in a copy of the checkout, within a time limit."""

import contextlib
import importlib
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LIBRARIES = (
    "numpy",
    "scipy.optimize",
    "scipy.ndimage",
    "torch",
    "torch._dynamo",
    "lightning_fabric",
    "geoopt",
    "safetensors.torch",
)
LIBRARIES += ("h5py", "hydra", "pydicom", "skimage.metrics", "matplotlib.pyplot", "sympy", "joblib", "pytest")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
PYTEST = ["-n", "0", "-x", "-q", "--no-header", "--tb=line", "-p", "no:cacheprovider"]
MEMORY, FILE = 10 * 2**30, 2**39  # bytes that tests may take; holes in files count as if they were full
NO_TESTS = 5  # pytest's status
SURVIVED, KILLED, TIMED_OUT = "survived", "killed", "timed out"


def load_libraries() -> None:
    """Load what all tests need, once: forks have it then."""
    os.environ |= ONE_THREAD
    os.environ.pop("PYTHONDONTWRITEBYTECODE", "")  # compiled modules of the copy serve all trials
    sys.dont_write_bytecode = False
    for name in LIBRARIES:
        importlib.import_module(name)


def copied(checkout: Path, copy: Path) -> Path:
    """A copy of the files that git keeps or would keep, with the data beside the project, ready to run."""
    shutil.rmtree(copy, ignore_errors=True)
    listed = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (checkout / name).is_file():
            (copy / "project" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(checkout / name, copy / "project" / name)
    if (checkout.resolve().parent / "shared").is_dir():
        (copy / "shared").symlink_to(checkout.resolve().parent / "shared")
    return copy / "project"


def replace(path: Path, source: str) -> None:
    """Write a module, and forget what it was compiled to."""
    path.write_text(source)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


def outcome_of(copy: Path, tests: tuple[str, ...], limit_s: float, log: Path) -> tuple[str, float]:
    """Run tests in a fork: survived (all pass), killed or timed out; and the seconds it took."""
    began, log = time.monotonic(), log.resolve()
    pid = os.fork()
    if not pid:
        _run_tests(copy, tests, log)
    while time.monotonic() - began < limit_s:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            _kill_group(pid)
            code = os.waitstatus_to_exitcode(status)
            if code == NO_TESTS:
                raise LookupError(f"{tests}: no test was found")
            return (KILLED if code else SURVIVED), time.monotonic() - began
        time.sleep(0.05)
    _kill_group(pid)
    os.waitpid(pid, 0)
    return TIMED_OUT, time.monotonic() - began


def _run_tests(copy: Path, tests: tuple[str, ...], log: Path) -> None:
    """In the fork: pytest in the copy, whose package comes before an installed one, also in processes that tests start."""
    code = 1
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0), os.dup2(output, 1), os.dup2(output, 2)
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy)
        sys.path[:1] = [str(copy)]
        code = int(pytest.main([*PYTEST, *tests]))
        sys.stdout.flush()
    finally:
        os._exit(code)


def _kill_group(pid: int) -> None:
    """End a fork and the processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
