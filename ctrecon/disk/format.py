"""The formats of files: by which suffix people ask for one, and how its files begin."""

from pathlib import Path

IMAGE = (".npy", ".h5", ".tif", ".png", ".dcm", ".nii.gz")  # that an image is written in
ZARR = ".zarr"  # a folder with a stack of images
SINOGRAM = (".npy", ".npz", ".h5", ".tif", ".mat")  # that a sinogram is written in
DRAWING = (".png", ".pdf", ".svg")
MAGIC = {  # where, and with one of which bytes
    ".npy": (0, (b"\x93NUMPY",)),
    ".npz": (0, (b"PK",)),
    ".h5": (0, (b"\x89HDF\r\n\x1a\n",)),
    ".mat": (0, (b"MATLAB", b"\x89HDF")),
    ".tif": (0, (b"II", b"MM")),
    ".png": (0, (b"\x89PNG",)),
    ".dcm": (128, (b"DICM",)),
    ".nii.gz": (0, (b"\x1f\x8b",)),
    ".pdf": (0, (b"%PDF",)),
    ".svg": (0, (b"<?xml", b"<svg")),
}


def suffix_of(path: Path) -> str:
    """The suffix that tells a file's format; .nii.gz counts as one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def ending_in(suffixes: tuple[str, ...]) -> str:
    """What is expected of the name of a file to write, in words."""
    return f"a name ending in one of {' '.join(suffixes)}"


def is_of(path: Path, suffix: str) -> bool:
    """Whether a file begins as those of that suffix do."""
    place, words = MAGIC[suffix]
    with path.open("rb") as file:
        return file.read(place + 16)[place:].startswith(words)
