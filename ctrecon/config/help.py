"""What `ctrecon VERB --help` shows: the options that people need with their defaults, one example, then the groups that matter.

All of it stands in conf/: options and their explanations in VERB.yaml and GROUP/MEMBER.yaml, which of them in help.yaml.
"""

import re

from ctrecon.config.conf import CONF, defaults, groups
from ctrecon.disk.yaml_file import read_yaml

SHOWN_FROM = {"data": "slices"}  # the member whose options are explained, where that is not the default one
OF_A_RUN = ("evaluate", "certify")
OPTION = re.compile(r"^(\w+): +([^#\n]*?) *(?:# *(.*))?$", re.MULTILINE)
TIME = re.compile(r"figure=(\w+) .*\.h5 +(.*)")


def help_of(verb: str) -> str:
    """The text."""
    text, more = (CONF / f"{verb}.yaml").read_text(), read_yaml(CONF / "help.yaml")[verb]
    head = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    own = {key: (value, said) for key, value, said in OPTION.findall(text) if key in defaults(verb) and key != "defaults"}
    of_run = verb in OF_A_RUN  # then a run says what is not said
    first = {key: _of_group(key, of_run) if key.split(".")[0] in groups() else own[key] for key in more.get("options", ())}
    shown = first if verb == "train" else own | first
    rest = {key: own[key] for key in own if key not in (*shown, "hydra", "swept")}
    parts = ["\n".join(head), f"  {more['example']}", _table("options (KEY=VALUE):", shown)]
    if rest:
        parts.append(_table("and:", rest))
    if "note" in more:
        parts.append(f"It takes: {more['note']}." if verb != "train" else f"{more['note']}.")
    if verb == "reproduce":
        times = dict(TIME.findall("".join(path.read_text() for path in sorted((CONF / "figure").glob("*.yaml")))))
        parts.append(_table("figures, with profile=laptop:", {name: ("", said) for name, said in times.items()}))
    if "groups" in more:
        parts.append(_groups(None if more["groups"] == "all" else more["groups"], of_run))
    return "\n\n".join(parts)


def _of_group(key: str, of_run: bool) -> tuple[str, str]:
    """The default of a group or of an option of one, or none where a run has it, and what is said of it."""
    group, _, option = key.partition(".")
    if not option:
        return "" if of_run else _default(group), f"one of {', '.join(groups()[group])}, or a YAML file"
    text = (CONF / group / f"{SHOWN_FROM.get(group, _default(group))}.yaml").read_text()
    return next(("" if of_run else value, said) for name, value, said in OPTION.findall(text) if name == option)


def _default(group: str) -> str:
    return next((str(one[group]) for one in defaults("train")["defaults"] if isinstance(one, dict) and group in one), "")


def _table(title: str, options: dict[str, tuple[str, str]]) -> str:
    width = max(len(_given(key, value)) for key, (value, _) in options.items())
    return "\n".join([title, *(f"  {_given(key, value):{width}}  {said}".rstrip() for key, (value, said) in options.items())])


def _given(key: str, value: str) -> str:
    return f"{key}=..." if value == "???" else f"{key}={value}" if value else key


def _groups(names: list[str] | None, of_run: bool) -> str:
    lines = [
        f"  {group:15} {' '.join(f'[{one}]' if one == _default(group) and not of_run else one for one in members)}"
        for group, members in groups().items()
        if names is None or group in names
    ]
    default = "not given: as in the run" if of_run else "[default]"
    about = (
        f"groups (GROUP=MEMBER or GROUP=FILE.yaml; {default}; conf/GROUP/MEMBER.yaml has the options, GROUP.OPTION=VALUE sets one):"
    )
    return "\n".join([about, *lines])
