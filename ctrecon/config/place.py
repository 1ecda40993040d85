"""Options that name what has to be there already: it is looked for before anything that takes seconds is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ctrecon.config.kind import marks
from ctrecon.errors import InputError
from ctrecon.runs.run import CONFIG


@dataclass(frozen=True)
class There:
    """A path of something that is there.

    Attributes:
        what: file or folder.
        expected: What the message says besides.
    """

    what: str
    expected: str = ""

    def fits(self, value: Any) -> bool:
        """Whether a value may be one: what is there may change, and is said in a line of its own."""
        return True

    def of(self, kind: str) -> str:
        """How a person says it."""
        return kind

    def found(self, path: str) -> str:
        """The path. Raises InputError where nothing is there."""
        if not Path(path).exists():
            raise InputError(f"{path}: no such {self.what}{self.expected}")
        return path


@dataclass(frozen=True)
class OneRun(There):
    """A run folder, or a folder with one in it: runs/NAME where there is one seed."""

    def found(self, path: str) -> str:
        folder = Path(path)
        inside = [] if (folder / CONFIG).exists() else sorted(one.parent for one in folder.glob(f"*/{CONFIG}"))
        if len(inside) > 1:
            raise InputError(f"run={path}: holds {len(inside)} runs; expected one of {', '.join(map(str, inside))}")
        return str(inside[0]) if inside else path  # whether it is a run at all is said by whoever reads its configuration


File = Annotated[str, There("file")]
Folders = Annotated[str | list[str], There("folder", "; expected runs/NAME or runs/NAME/SEED")]
RunFolder = Annotated[str, OneRun("folder")]


def found(value: Any, hint: Any) -> Any:
    """The value of an option, or what it stands for. Raises InputError where it names what is not there."""
    for mark in marks(hint):
        if isinstance(mark, There) and value is not None:
            value = [mark.found(one) for one in value] if isinstance(value, list) else mark.found(value)
    return value
