"""A stack of images as an OME-Zarr, which viewers of volumes open piece by piece.

Source: Next-generation file formats (OME-NGFF) 0.4: one scale, axes z, y and x in metres, an image a chunk.
"""

from pathlib import Path

from ctrecon.errors import InputError
from ctrecon.files.image_format import VALUE, Images
from ctrecon.files.label import Label


def check_zarr() -> None:
    """Raises InputError where the package that writes it is missing."""
    try:
        import zarr  # noqa: F401
    except ModuleNotFoundError:
        raise InputError('out=NAME.zarr: zarr is not installed; pip install "learned-ctrecon[zarr]", or choose .h5') from None


def write_zarr(folder: Path, images: Images, label: Label) -> None:
    """Write a stack into an empty folder.

    Raises:
        OSError: The disk is full.
    """
    import zarr

    group = zarr.open_group(folder, mode="w", zarr_format=2)
    array = group.create_array(
        "0",
        shape=images.shape,
        chunks=(1, *images.shape[1:]),
        dtype=VALUE,
        fill_value=float("nan"),
        chunk_key_encoding={"name": "v2", "separator": "/"},
    )
    scale = [label.spacing_m, label.pixel_m, label.pixel_m]
    group.attrs["multiscales"] = [
        {
            "version": "0.4",
            "name": "image",
            "axes": [{"name": name, "type": "space", "unit": "meter"} for name in "zyx"],
            "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}],
        }
    ]
    group.attrs["unit"] = label.unit
    for number, image in enumerate(images.each):
        array[number] = image
