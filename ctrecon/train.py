"""Fit a model into a run folder, or go on where it stopped; -m sweeps."""

import sys

from ctrecon.config.check import check_training
from ctrecon.config.sweep import check_launcher, training
from ctrecon.config.words import Words
from ctrecon.errors import InputError

MULTIRUN = ("-m", "--multirun")


def main(words: list[str]) -> None:
    """ctrecon train: status 1 where a training of a sweep is not done."""
    multirun = any(word in MULTIRUN for word in words)
    parsed = Words(word for word in words if word not in MULTIRUN)
    check_launcher(parsed)
    if parsed.swept and not multirun:
        raise InputError(f"{parsed.swept[0]}: several values; ctrecon train -m trains them one after the other")
    check_training(parsed)  # before torch is loaded
    values = training(parsed)
    if not multirun:
        from ctrecon.fitting.launch import train_run

        train_run(values)
        return
    from ctrecon.fitting.sweep import sweep

    if sweep(parsed):
        sys.exit(1)
