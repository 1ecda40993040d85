"""The options of an experiment that no constructor takes, with their kinds."""

from typing import Annotated, Literal, TypedDict

from ctrecon.config.kind import Count, Device, Range, Seed
from ctrecon.config.place import RunName


class Training(TypedDict):
    """What conf/train.yaml says beside its groups."""

    name: RunName | None
    seed: Seed
    run_dir: str | None
    device: Device
    devices: Count
    nodes: Count
    workers: Annotated[int, Range(0)]
    compile: bool
    tensorboard: bool
    swept: list[str]


class Images(TypedDict):
    """What group `data` says beside where the images come from: how many are used, and the seed also of their noise."""

    train_size: Count | None
    val_size: Count | None
    test_size: Count | None
    limit: Count | None
    noise: Literal["fixed", "fresh"]
    seed: Seed
