"""Options that name files and folders: what is there, and what may be written, is looked at before anything that takes seconds is loaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from ctrecon.config.kind import Form, marks
from ctrecon.disk.atomic import check_free, folder_of, writable, writable_folder
from ctrecon.disk.format import DRAWING, IMAGE, SINOGRAM, ZARR, ending_in, suffix_of
from ctrecon.errors import InputError
from ctrecon.runs import zoo
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
        return value != []

    def of(self, kind: str) -> str:
        """How a person says it."""
        return f"the path of a {self.what}" + ", or several with commas between them" * ("list" in kind)

    def found(self, path: str) -> str:
        """The path. Raises InputError where nothing is there."""
        if not Path(path).exists():
            raise InputError(f"{path}: no such {self.what}{self.expected}")
        if self.what == "file" and Path(path).is_dir():
            raise InputError(f"{path}: is a folder; expected a file{self.expected}")
        return path


@dataclass(frozen=True)
class OneRun(There):
    """A run folder, or a folder with one in it: runs/NAME where there is one seed; zoo/NAME is one of the package's."""

    def found(self, path: str) -> str:
        folder = Path(path)
        if path.startswith(zoo.PREFIX) and not folder.exists():
            return str(zoo.folder(path.removeprefix(zoo.PREFIX)))
        inside = [] if (folder / CONFIG).exists() else sorted(one.parent for one in folder.glob(f"*/{CONFIG}"))
        if len(inside) > 1:
            raise InputError(f"run={path}: holds {len(inside)} runs; expected one of {', '.join(map(str, inside))}")
        return str(inside[0]) if inside else path  # whether it is a run at all is said by whoever reads its configuration


@dataclass(frozen=True)
class New:
    """A file to write.

    Attributes:
        suffixes: Those of the formats there are.
    """

    suffixes: tuple[str, ...]

    def fits(self, value: str) -> bool:
        """Whether it is called as one of those formats."""
        return suffix_of(Path(value)) in self.suffixes

    def of(self, kind: str) -> str:
        """How a person says it."""
        return ending_in(self.suffixes)

    def check(self, path: str, overwrite: bool, *inputs: str | None) -> None:
        """Raises InputError or OSError where nothing can be written there, or what is there was not to be replaced, or is read."""
        check_free(path, overwrite, writable(path, self.suffixes, *inputs))


@dataclass(frozen=True)
class NewImages(New):
    """A file for an image or a stack of them, or a folder for a stack: FOLDER/*.SUFFIX, a file an image, or NAME.zarr."""

    def fits(self, value: str) -> bool:
        return suffix_of(Path(value)) in (*self.suffixes, ZARR)

    def of(self, kind: str) -> str:
        return f"{ending_in(self.suffixes)}; for a stack FOLDER/*.dcm, or another of these, or NAME{ZARR} too"

    def check(self, path: str, overwrite: bool, *inputs: str | None) -> None:
        if folder_of(Path(path)) is None:
            super().check(path, overwrite, *inputs)
        else:
            writable_folder(path, self.suffixes, overwrite)


File = Annotated[str, There("file")]
Folders = Annotated[str | list[str], There("folder", "; expected runs/NAME or runs/NAME/SEED")]
RunFolder = Annotated[str, OneRun("folder")]
SinogramOut, DrawingOut = (Annotated[str, New(suffixes)] for suffixes in (SINOGRAM, DRAWING))
ImageOut = Annotated[str, NewImages(IMAGE)]
GuestName = Annotated[
    str, Form(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", "package.module:function, a function of a geometry that gives a callable")
]
RunName = Annotated[
    str, Form(r"(?!/)(?!(.*/)?\.\.(/|$)).+", "a name without .. in it and without / before it (run_dir=DIR takes any folder)")
]


def check_new(chosen: dict[str, Any], kinds: dict[str, Any]) -> None:
    """Raises InputError or OSError where an option names a file to write that cannot be written; those that are read are not."""
    read = [value for key, value in chosen.items() if any(isinstance(mark, There) for mark in marks(kinds[key]))]
    for key, value in chosen.items():
        for mark in marks(kinds[key]):
            if isinstance(mark, New) and value is not None:
                mark.check(value, chosen["overwrite"], *read)


def found(value: Any, hint: Any) -> Any:
    """The value of an option, or what it stands for. Raises InputError where it names what is not there."""
    for mark in marks(hint):
        if isinstance(mark, There) and value is not None:
            value = [mark.found(one) for one in value] if isinstance(value, list) else mark.found(value)
    return value
