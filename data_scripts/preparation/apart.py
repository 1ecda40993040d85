"""Work in a process of its own, which may crash without harm.

Two libraries can kill the interpreter that calls them: SciPy when it reads a hostile .mat file, and HDF5 when it writes to a full disk.
So a function of this folder is called in a process of its own, with bounded memory and time where that is asked for. It takes texts and
numbers, and what it prints are its answers, line by line; anything larger goes through a file.
"""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PROGRAM = "import sys; sys.path.insert(0, sys.argv[1]); from preparation.apart import serve; serve()"
_FAILED = "failed: "  # begins the last line of a process that raised


class Failed(Exception):
    """The function raised, or its process crashed. The message says why, in one line."""


def apart(function: str, *given: Any, memory: int | None = None, seconds: int | None = None) -> Iterator[str]:
    """Call a function in a process of its own; yields the lines that it prints.

    Args:
        function: Its module in this folder and its name, such as "mat_file.convert".
        given: Its arguments, of kinds that JSON has.
        memory: Bytes that the process may ask for, or None. Not held on Windows.
        seconds: Of processor time that it may take, or None. Not held on Windows.

    Raises:
        Failed: It raised or crashed.
    """
    work = json.dumps([function, given, memory, seconds])
    command = [sys.executable, "-c", _PROGRAM, str(Path(__file__).parents[1]), work]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}  # each thread asks for memory
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, encoding="ascii") as process:
        try:
            line = ""
            for line in process.stdout:
                if not line.startswith(_FAILED):
                    yield line.rstrip("\n")
            status = process.wait()
        finally:
            process.kill()
    if line.startswith(_FAILED):
        raise Failed(line.removeprefix(_FAILED).strip())
    if status:
        raise Failed("takes too long" if -status == getattr(signal, "SIGXCPU", None) else "its reader or writer crashed")


def serve() -> None:
    """What the process does. It ends without cleaning up, in which HDF5 may crash."""
    function, given, memory, seconds = json.loads(sys.argv[2])
    parent = os.getppid()
    try:
        module, _, name = function.partition(".")
        called = getattr(importlib.import_module(f"preparation.{module}"), name)
        _limit(memory, seconds)
        for line in called(*given) or ():
            if os.getppid() != parent:  # nobody waits for this any more
                os._exit(1)
            print(line, flush=True)
    except BaseException as error:
        print(f"{_FAILED}{_reason(error)}", flush=True)
        os._exit(1)
    os._exit(0)


def _limit(memory: int | None, seconds: int | None) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # at the second one the signal is not SIGXCPU


def _reason(error: BaseException) -> str:
    """An error in one line; of HDF5's long ones what the system said."""
    if isinstance(error, MemoryError):
        return "takes too much memory"
    text = str(error)
    if said := re.search(r"error message = '([^']*)'", text):
        return said[1]  # such as: No space left on device
    first = (text.strip() or type(error).__name__).split("\n")[0]
    return " ".join(first.split()).encode("ascii", "backslashreplace").decode()
