"""Change one place of the code and run the tests that guard it: do they notice? The table of folders and tests is `folders.toml`.

    python tests/mutation/mutate.py physics evidence --sample 30 --seed 0

Works in a copy of the checkout, never in place. Each change is tried in a fork of a process that has the libraries loaded, because
loading them takes longer than most tests. Results are kept one by one: the same command goes on where it was stopped.
"""

import argparse
import difflib
import hashlib
import json
import os
import random
import sys
import tomllib
from collections import Counter, defaultdict
from pathlib import Path

import torch
from changes import Change, changes, counts
from trial import KILLED, SURVIVED, TIMED_OUT, copied, load_libraries, outcome_of, replace

HERE = Path(__file__).parent
FACTOR, GRACE_S = 3, 20  # a change may take so many times what the unchanged code takes, and some seconds
HOUR = 3600
RESULTS = "results.jsonl"


def main() -> None:
    """Try changes folder by folder and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", help="of the table; all if none is named")
    parser.add_argument(
        "--sample", type=int, default=30, help="changes tried in each folder, each at another place; 0: all changes"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--table", type=Path, default=HERE / "folders.toml")
    parser.add_argument("--checkout", type=Path, default=HERE.parents[1], help="whose copy is changed")
    parser.add_argument("--out", type=Path, default=Path("mutation"), help="folder for the copy, results.jsonl and survivors")
    asked = parser.parse_args()
    table = tomllib.loads(asked.table.read_text())
    load_libraries()
    asked.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in asked.folders or table:
        sources = {
            str(p.relative_to(asked.checkout)): p.read_text() for g in table[name]["modules"] for p in asked.checkout.glob(g)
        }
        for path in table[name].get("cuda", []) if not torch.cuda.is_available() else []:
            sources.pop(path, None)
        drawn = sample(sources, asked.sample, random.Random(f"{asked.seed} {name}"))
        workers = [os.fork() or work(asked, name, table[name], drawn[k :: asked.processes], k) for k in range(asked.processes)]
        ended = [os.waitpid(pid, 0)[1] for pid in workers]
        if any(ended):
            sys.exit(f"{name}: stopped, see {asked.out}/unchanged*.log")
        lines.append(report(asked.out, name, [key_of(name, change, sources[change.path]) for change in drawn]))
    print("| folder | tried | killed | survived | timed out | score |\n|---|---|---|---|---|---|", *lines, sep="\n")


def sample(sources: dict[str, str], size: int, draw: random.Random) -> list[Change]:
    """Changes of modules: places are drawn first, then one change of each, so that no kind of change outweighs the others."""
    places = defaultdict(list)
    for path in sorted(sources):
        for change in changes(path, sources[path]):
            places[path, change.place].append(change)
    valid = lambda found: (change for change in found if counts(change, sources[change.path]))  # noqa: E731
    if not size:
        return [change for found in places.values() for change in valid(found)]
    drawn, order = [], sorted(places)
    draw.shuffle(order)
    for place in order:
        drawn += list(valid(draw.sample(places[place], len(places[place]))))[:1]
        if len(drawn) == size:
            break
    return drawn


def work(asked, name: str, folder: dict, drawn: list[Change], worker: int) -> None:
    """Try changes in a copy of one's own, keep the results, and end this process."""
    status = 1
    try:
        copy = copied(asked.checkout, asked.out.resolve() / f"copy{worker}")
        known, limits = results(asked.out), {}
        for change in drawn:
            source = (copy / change.path).read_text()
            key = key_of(name, change, source)
            if key in known:
                continue
            tests = tests_of(folder, change.path, copy)
            if tests not in limits:
                outcome, seconds = outcome_of(copy, tests, HOUR, asked.out / f"unchanged{worker}.log")
                if outcome != SURVIVED:
                    print(f"{name}: {outcome} without a change: {' '.join(tests)}", file=sys.stderr)
                    return
                limits[tests] = FACTOR * seconds + GRACE_S
            changed = change.applied_to(source)
            replace(copy / change.path, changed)
            outcome, seconds = outcome_of(copy, tests, limits[tests], asked.out / f"changed{worker}.log")
            replace(copy / change.path, source)
            diff = difflib.unified_diff(
                source.split("\n"), changed.split("\n"), change.path, change.path, change.operator, "", lineterm=""
            )
            row = {"key": key, "outcome": outcome, "seconds": round(seconds, 1), "diff": "\n".join(diff)}
            with (asked.out / RESULTS).open("a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name}: {outcome:9} {seconds:5.0f} s  {change.path}:{change.place[0]} {change.operator}", flush=True)
        status = 0
    finally:
        os._exit(status)


def tests_of(folder: dict, path: str, copy: Path) -> tuple[str, ...]:
    """The tests of a module: its doctests; those of its folder, files that import it first; what the table adds to it."""
    files = []
    for test in [*folder["tests"], *folder.get("also", {}).get(Path(path).stem, [])]:
        files += [str(p.relative_to(copy)) for p in sorted(copy.glob(f"{test}/test_*.py"))] or [test]
    module = path.removesuffix(".py").replace("/", ".")
    files.sort(key=lambda test: module not in (copy / test.partition("::")[0]).read_text())
    doctests = [path] if ">>>" in (copy / path).read_text() else []
    return (*doctests, *dict.fromkeys(files))


def key_of(name: str, change: Change, source: str) -> str:
    """What makes a result known: the same change of the same source. Changed tests do not: start with an empty folder then."""
    return f"{name} {change.path} {change.operator} {change.occurrence} {hashlib.sha256(source.encode()).hexdigest()[:12]}"


def results(out: Path) -> dict[str, dict]:
    """What is known, by key."""
    path = out / RESULTS
    return {row["key"]: row for row in map(json.loads, path.read_text().splitlines())} if path.is_file() else {}


def report(out: Path, name: str, keys: list[str]) -> str:
    """Write the survivors of a folder; its row of the table."""
    rows = [results(out)[key] for key in keys]
    survivors = sorted(row["diff"] for row in rows if row["outcome"] == SURVIVED)
    (out / f"survivors_{name}.diff").write_text("\n\n".join(survivors) + "\n" * bool(survivors))
    found = Counter(row["outcome"] for row in rows)
    score = (found[KILLED] + found[TIMED_OUT]) / max(len(rows), 1)
    return f"| {name} | {len(rows)} | {found[KILLED]} | {found[SURVIVED]} | {found[TIMED_OUT]} | {score:.0%} |"


if __name__ == "__main__":
    main()
