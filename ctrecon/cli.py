"""ctrecon VERB [GROUP=MEMBER ...] [KEY=VALUE ...]

Learned CT reconstruction with rotation-equivariant, ODE-discretised blocks.

verbs:
  demo          train an ordinary and an equivariant model on phantoms, compare them, reconstruct a real CT slice
  show          what a configuration builds, in numbers
  simulate      scan an image: image=FILE out=FILE
  train         fit a model into a run folder, or go on where it stopped; -m sweeps
  status        which runs are done, running, stopped or failed: runs=runs/*
  evaluate      measure a run on its test images: run=DIR
  certify       what a trained model promises, and what an adversary finds: run=DIR
  reconstruct   turn a sinogram into an image: sinogram=FILE out=FILE, with run=DIR or model=fbp
  compare       set evaluated runs side by side: runs=[DIR,DIR]
  reproduce     a figure of the papers, from training to drawing: figure=NAME

`ctrecon VERB --help` shows a verb's options. Wrong input ends with one line and exit status 2.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def main() -> None:
    """The console script."""
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help", "help"):
        print(__doc__)
        sys.exit(0 if words else 2)
    verb, *words = words
    if verb not in VERBS:
        _fail(f"{verb}: no such verb; expected one of {', '.join(VERBS)}")
    # OpenMP threads that spin while they wait cost half the speed where another program wants the cores (measured: a tenth when not).
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    with _told():
        if {"-h", "--help"} & set(words):
            _help(verb)
        else:
            VERBS[verb](words)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what a person did wrong, or what the machine refused, in one line and exit status 2."""
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
    except KeyboardInterrupt:
        _fail("interrupted; ctrecon train goes on from the last validation when called again", status=130)


def _fail(message: str, status: int = 2) -> None:
    print("ctrecon: " + " ".join(message.split()), file=sys.stderr)
    sys.exit(status)


def _help(verb: str) -> None:
    from ctrecon.configure import CONF, groups

    print((CONF / f"{verb}.yaml").read_text().split("\nhydra:")[0])
    if verb in ("train", "show", "simulate", "reconstruct", "evaluate", "certify"):
        print("groups (GROUP=MEMBER; conf/GROUP/MEMBER.yaml lists the options, GROUP.OPTION=VALUE sets one):")
        for group, members in groups().items():
            print(f"  {group:15} {' '.join(members)}")


def _train(words: list[str]) -> None:
    from ctrecon.configure import check
    from ctrecon.errors import InputError
    from ctrecon.expand import check_launcher, job, swept_keys
    from ctrecon.launch import train_run
    from ctrecon.sweep import sweep

    multirun = [word for word in words if word in ("-m", "--multirun")]
    words = [word for word in words if word not in multirun]
    check_launcher(words)
    check(words)
    swept = swept_keys(words)
    if swept and not multirun:
        raise InputError(f"{swept[0]}: several values; ctrecon train -m trains them one after the other")
    if not multirun:
        train_run(job(words))
    elif sweep([*words, f"swept=[{','.join(swept)}]"]):
        sys.exit(1)


def _status(words: list[str]) -> None:
    from ctrecon.configure import no_words, options
    from ctrecon.status import status

    chosen, rest = options("status", words)
    no_words("status", rest)
    print(status([chosen.runs] if isinstance(chosen.runs, str) else list(chosen.runs)))


def _evaluate(words: list[str]) -> None:
    from ctrecon.configure import options
    from ctrecon.examine import evaluate_run

    chosen, rest = options("evaluate", words)
    turns = list(chosen.turns)
    where = chosen.out, chosen.device
    summary, claims = evaluate_run(chosen.run, rest, turns, *where, chosen.certificate, chosen.leaks, chosen.averaged)
    for turn, metrics in summary["metrics"].items():
        numbers = ", ".join(f"{name} {m['mean']:.4g} [{m['low']:.4g}, {m['high']:.4g}]" for name, m in metrics.items())
        print(f"turned by {turn} degrees: {numbers}")
    print(f"written: {chosen.out or chosen.run}/metrics.csv, metrics.json, examples.h5")
    if claims:
        _tell(claims, chosen.out or chosen.run)


def _certify(words: list[str]) -> None:
    from ctrecon.configure import options
    from ctrecon.examine import certify_run

    chosen, rest = options("certify", words)
    _tell(certify_run(chosen.run, rest, chosen.image, chosen.out, chosen.device), chosen.out or chosen.run)


def _tell(claims: list, folder: str) -> None:
    """Print a certificate; exit status 1 where a promise is broken."""
    from ctrecon.report.certificate import as_text

    print(f"{as_text(claims)}\nwritten: {folder}/certificate.json")
    if any(claim.verdict == "fail" for claim in claims):
        sys.exit(1)


def _reconstruct(words: list[str]) -> None:
    from ctrecon.configure import options
    from ctrecon.reconstruct import reconstruct

    chosen, rest = options("reconstruct", words)
    reconstruct(**chosen, words=rest)
    print(f"written: {chosen.out}")


def _simulate(words: list[str]) -> None:
    from ctrecon.configure import options
    from ctrecon.simulate import simulate

    chosen, rest = options("simulate", words)
    beside = simulate(**chosen, words=rest)
    print(f"written: {chosen.out}, its geometry: {beside}")


def _compare(words: list[str]) -> None:
    from ctrecon.compare import compare
    from ctrecon.configure import no_words, options

    chosen, rest = options("compare", words)
    no_words("compare", rest)
    runs = [chosen.runs] if isinstance(chosen.runs, str) else list(chosen.runs)
    print(compare(runs, chosen.out))


def _reproduce(words: list[str]) -> None:
    from ctrecon.configure import options, plain
    from ctrecon.reproduce import reproduce

    chosen, rest = options("reproduce", words)
    print(reproduce(**plain(chosen), words=rest))


def _show(words: list[str]) -> None:
    from ctrecon.build import model_of
    from ctrecon.configure import options
    from ctrecon.report.scan import write_picture
    from ctrecon.show import describe

    chosen, rest = options("show", words)
    model = model_of(chosen.run, rest)[1]
    if chosen.out:
        write_picture(model.geometry, chosen.out)
    print(describe(model))
    if chosen.out:
        print(f"written: {chosen.out}")


def _demo(words: list[str]) -> None:
    from ctrecon.configure import no_words, options
    from ctrecon.demo import demo

    chosen, rest = options("demo", words)
    no_words("demo", rest)
    demo(**chosen)


VERBS = {
    "demo": _demo,
    "show": _show,
    "simulate": _simulate,
    "train": _train,
    "status": _status,
    "evaluate": _evaluate,
    "certify": _certify,
    "reconstruct": _reconstruct,
    "compare": _compare,
    "reproduce": _reproduce,
}

if __name__ == "__main__":
    main()
