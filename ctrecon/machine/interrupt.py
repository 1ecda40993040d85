"""Stopping in time: a scheduler that wants its machine back says so by a signal, and the work is kept before it ends."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGUSR1)  # what Slurm sends before it kills, and what it is often asked to send earlier
STOPPED = 75  # exit status: temporary failure, the same command goes on (sysexits.h: EX_TEMPFAIL)


_came = threading.Event()


@contextmanager
def listening() -> Iterator[Callable[[], bool]]:
    """While this lasts, the signals do not end the process but are remembered, and passed on to its children.

    Inside another `listening`, what the outer one heard counts too.

    Yields:
        Whether one came. Never in a job of submitit, which listens itself and queues the job again, and outside the main thread, where
        Python hears nothing.
    """
    if "SUBMITIT_EXECUTOR" in os.environ or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, _hear) for number in SIGNALS}
    if _hear not in before.values():
        _came.clear()
    try:
        yield _came.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hear(number: int, frame) -> None:
    _came.set()
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            child.send_signal(number)


def ignore_signals(*_) -> None:
    """Leave the signals to the parent: for processes that only load data."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
