"""ctrecon VERB [GROUP=MEMBER ...] [KEY=VALUE ...]

Learned CT reconstruction with rotation-equivariant, ODE-discretised blocks.

verbs:
  demo          train an ordinary and an equivariant model on phantoms, compare them, reconstruct a real CT slice
  show          what a configuration builds, in numbers
  simulate      scan an image: image=FILE out=FILE
  train         fit a model into a run folder, or go on where it stopped; -m sweeps
  status        which runs are done, running, stopped or failed
  evaluate      measure a run, or another program, on test images: run=DIR, guest=MODULE:FUNCTION or images=FOLDER
  certify       what a trained model promises, and what an adversary finds: run=DIR
  reconstruct   turn a sinogram into an image: sinogram=FILE out=FILE, with run=DIR or model=fbp
  adapt         let a trained model learn from the sinograms of one scan: sinogram=FILE run_dir=DIR
  compare       set evaluated runs side by side: runs=DIR,DIR
  zoo           trained models that come with the package
  reproduce     a figure of the papers, from training to drawing: figure=NAME

`ctrecon VERB --help` shows a verb's options. Wrong input ends with one line and exit status 2.
"""

import importlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

VERBS = (
    "demo",
    "show",
    "simulate",
    "train",
    "status",
    "evaluate",
    "certify",
    "reconstruct",
    "adapt",
    "compare",
    "zoo",
    "reproduce",
)


def main() -> None:
    """The console script."""
    words = sys.argv[1:]
    with _errors_in_one_line():
        if not words or words[0] in ("-h", "--help", "help"):
            print(__doc__, flush=True)
            sys.exit(0 if words else 2)
        verb, *words = words
        if verb not in VERBS:
            _fail(f"{verb}: no such verb; expected one of {', '.join(VERBS)}")
        # OpenMP threads that spin while they wait cost half the speed where another program wants the cores (measured: a tenth when not).
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")
        _silence_libraries()
        if {"-h", "--help"} & set(words):
            from ctrecon.config.help import help_of

            print(help_of(verb))
        else:
            from ctrecon.config.check import check

            words = check(verb, words)
            importlib.import_module(f"ctrecon.{verb}").main(words)
        sys.stdout.flush()  # here, so that a closed pipe is met here and not after the end


def _silence_libraries() -> None:
    """What libraries warn and log of is for programmers: it stays away from the terminal, in child processes too."""
    if not sys.warnoptions:  # python -W and PYTHONWARNINGS ask for them
        warnings.simplefilter("ignore")
        os.environ["PYTHONWARNINGS"] = "ignore"
    logging.lastResort = logging.NullHandler()  # where nobody says what becomes of a log, Python prints it
    for stream in (sys.stdout, sys.stderr):  # names in files may have letters that the terminal has not
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def _errors_in_one_line() -> Iterator[None]:
    """What a person did wrong, or what the machine refused, ends in one line and exit status 2."""
    from ctrecon.errors import InputError

    try:
        yield
    except InputError as error:
        _fail(str(error))
    except BrokenPipeError:  # whoever reads our output, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror or error}; is there space and permission?")
    except UnicodeError as error:
        _fail(f"a text that is not in UTF-8 ({error}); expected text in UTF-8")
    except RecursionError:
        _fail("a file is nested too deeply to be read; expected what ctrecon writes, or a configuration")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _out_of_memory(error):
            raise
        _fail(f"not enough memory ({str(error) or 'no more is there'}): ask for fewer pixels, views, channels or images")
    except KeyboardInterrupt:
        _fail("interrupted; ctrecon train goes on from the last validation when called again", status=130)


def _out_of_memory(error: RuntimeError) -> bool:
    """Whether torch, which has no kind of error for it on CPUs, says so."""
    return type(error).__name__ == "OutOfMemoryError" or "allocate memory" in str(error)


def _fail(message: str, status: int = 2) -> None:
    print("ctrecon: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


if __name__ == "__main__":
    main()
