"""LIDC-IDRI's series in the Imaging Data Commons: which there are, and fetching them with the package idc-index."""

from functools import cache
from pathlib import Path
from typing import Any

from ctrecon.errors import InputError


def choose_series(patients: list[str] | None, first: int | None) -> list[dict[str, Any]]:
    """The CT series of patients, or of the first so many, from the index that comes with idc-index.

    Raises:
        InputError: A patient is not in the collection.
    """
    index = idc_client().index
    index = index[(index.collection_id == "lidc_idri") & (index.Modality == "CT")].sort_values(["PatientID", "SeriesInstanceUID"])
    known = index.PatientID.unique().tolist()
    for patient in patients or []:
        if patient not in known:
            raise InputError(f"--patients {patient}: not in LIDC-IDRI; expected names such as {known[0]}")
    columns = ["PatientID", "StudyInstanceUID", "SeriesInstanceUID", "instanceCount"]
    return index[index.PatientID.isin(patients or known[:first])][columns].to_dict("records")


def download(series: list[dict[str, Any]], folder: Path) -> None:
    """Download the series that are not whole in the folder. Raises InputError where they are not whole after that."""
    missing = [one for one in series if _files(one, folder) < one["instanceCount"]]
    if missing:
        transfer([one["SeriesInstanceUID"] for one in missing], folder)
    for one in missing:
        if (there := _files(one, folder)) < one["instanceCount"]:
            raise InputError(
                f"{one['PatientID']}: {there} of {one['instanceCount']} slices came from the Imaging Data Commons; "
                "is the network there? Start again to go on"
            )


def transfer(series: list[str], folder: Path) -> None:
    """The transfer itself: idc-index passes over files that are there with their size."""
    folder.mkdir(parents=True, exist_ok=True)
    template = "%PatientID/%StudyInstanceUID/%SeriesInstanceUID"
    try:
        idc_client().download_from_selection(str(folder), seriesInstanceUID=series, use_s5cmd_sync=True, dirTemplate=template)
    except Exception as error:  # of the program that it starts
        raise InputError(f"{folder}: the Imaging Data Commons cannot be reached ({error}); start again to go on") from None


@cache
def idc_client() -> Any:
    """idc-index's client."""
    from idc_index import IDCClient

    return IDCClient()


def _files(series: dict[str, Any], folder: Path) -> int:
    return len(list(folder.glob(f"{series['PatientID']}/{series['StudyInstanceUID']}/{series['SeriesInstanceUID']}/*.dcm")))
