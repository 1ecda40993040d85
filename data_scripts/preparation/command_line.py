"""What all scripts share on the command line: `--out`, `--verify`, and what went wrong in one line with exit status 2."""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ctrecon.errors import InputError

EXTRA = ("idc_index", "requests")  # packages that only downloads need, imported where they are used


class Parser(argparse.ArgumentParser):
    """Shows a script's docstring as its help, and tells a wrong option like any other wrong input."""

    def __init__(self, docstring: str) -> None:
        super().__init__(description=docstring, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message}; --help shows the options")


def file_parser(docstring: str) -> Parser:
    """The options of a script that makes one HDF5 file."""
    parser = Parser(docstring)
    parser.add_argument("--out", type=_hdf5, required=True, metavar="FILE.h5", help="the file to make")
    parser.add_argument(
        "--verify", action="store_true", help="compare the content of --out with the checksum in its card, and stop"
    )
    return parser


def positive(word: str) -> int:
    """An option's whole number of at least 1."""
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word}: expected a whole number of at least 1")
    return int(word)


def natural(word: str) -> int:
    """An option's whole number of at least 0, such as a seed."""
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word}: expected a whole number of at least 0")
    return int(word)


def portion(word: str) -> float:
    """An option's number from 0 to 1."""
    try:
        value = float(word)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{word}: expected a number from 0 to below 1")
    return value


def run(main: Callable[[], None]) -> NoReturn:
    """Run a script and leave: with status 0, or with one line on stderr and status 2, or 130 when interrupted."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # names of files and patients may be no text
    try:
        main()
    except InputError as error:
        _leave(str(error), 2)
    except BrokenPipeError:  # whoever reads our output, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in EXTRA:
            raise
        _leave(f'{error.name} is missing, which downloads: pip install "learned-ctrecon[data]"', 2)
    except OSError as error:
        _leave(f"{error.filename or 'output'}: {error.strerror or error}; is there space and permission?", 2)
    except KeyboardInterrupt:
        _leave("interrupted; the same command goes on from here", 130)
    sys.exit(0)


def _leave(message: str, status: int) -> NoReturn:
    print(" ".join(message.split()), file=sys.stderr)
    sys.exit(status)


def _hdf5(word: str) -> Path:
    path = Path(word)
    if path.suffix.lower() not in (".h5", ".hdf5"):
        raise argparse.ArgumentTypeError(f"{word}: expected a name ending in .h5 or .hdf5")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"{word}: is a folder; expected a file name")
    return path
