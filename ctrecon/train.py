"""Fit a model into a run folder, or go on where it stopped; -m sweeps."""

import sys

from ctrecon.config.sweep import check_launcher, job, swept_keys
from ctrecon.config.words import check
from ctrecon.errors import InputError
from ctrecon.fitting.launch import train_run
from ctrecon.fitting.sweep import sweep

MULTIRUN = ("-m", "--multirun")


def main(words: list[str]) -> None:
    """ctrecon train: status 1 where a job of a sweep is not done."""
    multirun = any(word in MULTIRUN for word in words)
    words = [word for word in words if word not in MULTIRUN]
    check_launcher(words)
    check(words)
    swept = swept_keys(words)
    if swept and not multirun:
        raise InputError(f"{swept[0]}: several values; ctrecon train -m trains them one after the other")
    if not multirun:
        train_run(job(words))
    elif sweep([*words, f"swept=[{','.join(swept)}]"]):
        sys.exit(1)
