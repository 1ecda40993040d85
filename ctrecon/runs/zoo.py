"""The zoo: trained models that come with the package. Each is a run folder with a card, found as zoo/NAME.

card.yaml says what the model learned from, its licence, credit, use and limits, the commands that trained it, and its envelope: the ranges of
views, degrees, pixels, shift of the detector and noise within which it was trained and tried.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ctrecon.disk.yaml_file import read_yaml
from ctrecon.errors import InputError

PREFIX = "zoo/"
CARD = "card.yaml"
_SHIPPED = Path(__file__).parent / "shipped"


@dataclass(frozen=True)
class Card:
    """What is written on a card.

    Attributes:
        use: What the model is meant for.
        learned_from: The images, how many and whose.
        licence: Of these.
        credit: To whom.
        limits: What it should not be used for.
        commands: That trained and measured it.
        beams: Names of the geometries' classes that it is for.
        envelope: For each fact of a scan the smallest and largest value.
    """

    use: str
    learned_from: str
    licence: str
    credit: str
    limits: str
    commands: list[str]
    beams: list[str]
    envelope: dict[str, list[int | float]]

    def outside(self, beam: str, facts: Mapping[str, float]) -> list[str]:
        """What of a scan is not within the envelope, in words: nothing where the model is for it.

        Args:
            beam: The name of the geometry's class.
            facts: Values by name; those that the envelope does not know are free.
        """
        found = [] if beam in self.beams else [f"a {beam} scan, expected {' or '.join(self.beams)}"]
        for name, value in facts.items():
            low, high = self.envelope.get(name, (value, value))
            if not low <= value <= high:
                found.append(f"{name} {value:.3g}, expected {low:g} to {high:g}")
        return found


def names() -> list[str]:
    """The models of the zoo."""
    return sorted(card.parent.name for card in _SHIPPED.glob(f"*/{CARD}"))


def folder(name: str) -> Path:
    """The run folder of zoo/NAME. Raises InputError where the zoo has no such model."""
    known = names()
    if name not in known:
        raise InputError(f"{PREFIX}{name}: no such model in the zoo; expected one of {', '.join(PREFIX + one for one in known)}")
    return _SHIPPED / name


def card(name: str) -> Card:
    """Its card. Raises InputError where that is damaged."""
    path = folder(name) / CARD
    content: Any = read_yaml(path)
    expected = [one.name for one in fields(Card)]
    if not isinstance(content, dict) or sorted(content) != sorted(expected):
        raise InputError(f"{path}: damaged; expected {', '.join(expected)}: install ctrecon again")
    return Card(**content)
