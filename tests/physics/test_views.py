"""Which views a geometry uses: every form in which YAML and words of the command line say it, and what is refused."""

import dataclasses
import math

import numpy as np
import pytest
import yaml
from conftest import experiment, inside

from ctrecon.config.scan import read_geometry
from ctrecon.errors import InputError
from ctrecon.physics.fan import Fan
from ctrecon.physics.parallel import Parallel
from ctrecon.physics.views import views_of

SCANNER = {"scan_views": 721, "step_deg": 0.5, "angles_deg": None, "start_deg": 0.0, "arc_deg": 360.0}


@pytest.mark.parametrize(
    ("picked", "numbers"),
    [
        (None, range(721)),
        (721, range(721)),
        (720, range(720)),
        (360, range(0, 720, 2)),
        (7, [0, 102, 205, 308, 411, 514, 617]),
        (1, [0]),
        ("0:181", range(181)),
        ("::2", range(0, 721, 2)),
        ("-3:", [718, 719, 720]),
        ("5::-1", [5, 4, 3, 2, 1, 0]),
        ([5, 7, 300], [5, 7, 300]),
        ((720, 0), [720, 0]),
    ],
    ids=str,
)
def test_views_pick_from_the_scanner(picked, numbers):
    views = views_of(picked, **SCANNER)
    assert views.numbers == tuple(numbers) and views.scanned == 721
    np.testing.assert_allclose(np.rad2deg(views.angles_rad), 0.5 * np.array(numbers))


@pytest.mark.parametrize(
    "picked",
    [722, 0, -1, 10**9, 10**400, [1, 1], [721], [-1], [], [True, False], "9:3", "a:b", "c", "0:5:0", "1:2:3:4"],
    ids=lambda picked: str(picked)[:9],
)
def test_views_that_do_not_exist_are_refused(picked):
    with pytest.raises(InputError, match=r"geometry\.views") as refused:
        views_of(picked, **SCANNER)
    assert len(str(refused.value)) < 300


def test_angles_are_those_of_the_scanner():
    degrees = lambda *options: np.rad2deg(views_of(*options, 180.0).angles_rad)  # noqa: E731
    np.testing.assert_allclose(degrees(4, None, None, None, 0.0), [0, 45, 90, 135])
    np.testing.assert_allclose(degrees([1, 3], 6, None, None, 10.0), [40, 100])
    np.testing.assert_allclose(degrees("1:", None, None, [0, 7, 30, 31], 5.0), [12, 35, 36])
    np.testing.assert_allclose(degrees(6, 61, 1.0, None, 0.0), [0, 10, 20, 30, 40, 50])  # of a scan that is shorter than the arc
    np.testing.assert_allclose(degrees(6, 361, 1.0, None, 0.0), [0, 30, 60, 90, 120, 150])  # of one that repeats itself


def test_what_contradicts_itself_is_refused():
    for options, said in (
        ((None, 3, None, [0, 1], 0.0), "angles_deg lists 2 views"),
        ((None, None, 1.0, [0, 1], 0.0), "angles_deg lists 2 views"),
        ((None, None, None, [], 0.0), "angles_deg"),
        ((None, None, None, None, 0.0), "needs geometry.scan_views"),
        (("::2", None, 1.0, None, 0.0), "needs geometry.scan_views"),
        (([0, 1], None, 1.0, None, 0.0), "needs geometry.scan_views"),
    ):
        with pytest.raises(InputError, match=said):
            views_of(*options, 180.0)


def test_equal_scans_are_equal():
    same = [
        Parallel(pixels=16, fov_m=0.2, views=12),
        Parallel(pixels=16, fov_m=0.2, scan_views=12),
        Parallel(pixels=16, fov_m=0.2, views="::", scan_views=12, step_deg=15.0),
        Parallel(pixels=16, fov_m=0.2, angles_deg=[15 * k for k in range(12)]),
        Parallel(pixels=16, fov_m=0.2, views=list(range(12)), angles_deg=[15.0 * k - 30 for k in range(12)], start_deg=30.0),
    ]
    assert len(set(same)) == 1 and all(one == same[0] for one in same)
    others = [
        Parallel(pixels=16, fov_m=0.2, views=13),
        Parallel(pixels=16, fov_m=0.2, views=12, start_deg=1.0),
        Parallel(pixels=16, fov_m=0.2, views="::2", scan_views=24),  # other files of all views of the scanner fit
        Parallel(pixels=17, fov_m=0.2, views=12),
        Fan(pixels=16, fov_m=0.2, views=12),
    ]
    assert len({same[0], *others}) == 6


def test_after_it_is_made_a_geometry_holds_numbers():
    scan = Parallel(pixels=16, fov_m=0.2, views="2:9:3", scan_views=20, step_deg=9.0, start_deg=1.0)
    assert (scan.views, scan.scan_views, scan.shape) == ((2, 5, 8), 20, (3, 23))
    for same in (dataclasses.replace(scan, pixels=16), scan.finer(1)):
        assert same == scan and hash(same) == hash(scan)
    np.testing.assert_allclose(np.rad2deg(scan.finer(2).angles_rad), [19, 46, 73])
    np.testing.assert_allclose(np.rad2deg(dataclasses.replace(scan, views=[0, 19]).angles_rad), [1, 172])
    whole = np.arange(20 * 23).reshape(20, 23)
    assert np.array_equal(scan.used(whole), whole[[2, 5, 8]]) and scan.used(whole[:3]).shape == (3, 23)


@pytest.mark.parametrize(
    ("word", "numbers"),
    [("60", range(60)), ("[0,3,5]", [0, 3, 5]), ('"0:21"', range(21)), ('"::20"', [0, 20, 40, 60, 80, 100]), ("'3:5'", [3, 4])],
)
def test_words_of_the_command_line_say_views(word, numbers):
    words = ["geometry=limited_120", "geometry.scan_views=120", "geometry.step_deg=1.0", f"geometry.views={word}"]
    expected = np.array(numbers) * (2 if word == "60" else 1)
    assert experiment(*words).geometry.views == tuple(expected.tolist())


@pytest.mark.parametrize(("views", "numbers"), [(3, (0, 2, 4)), ("1:3", (1, 2)), ([5, 0], (5, 0)), (None, (0, 1, 2, 3, 4, 5))])
def test_geometry_files_say_views(tmp_path, views, numbers):
    target = {"_target_": "ctrecon.physics.parallel.Parallel", "pixels": 16, "fov_m": 0.2, "scan_views": 6}
    assert read_geometry(tmp_path / "scan.yaml", yaml.safe_dump(target | {"views": views}))[1].views == numbers


@pytest.mark.parametrize(
    "word",
    [
        *("fov_m=1e-300", "fov_m=0.0", "fov_m=-1.0", "fov_m=1e300", "fov_m=inf", "fov_m=nan", "fov_m=true"),
        *("source_m=nan", "source_m=inf", "source_m=-0.5", "detector_m=inf", "detector_m=nan", "detector_m=true"),
        *(
            "views=1000000000",
            "views=none",
            "views=true",
            "views=[true,false]",
            "views=1.5",
            "views=[0,1.5]",
            "scan_views=1000000000",
        ),
        *("pixels=1000000", "pixels=3", "pixels=true", "bins=1000000000", "bins=1", "bins=true", "bin_m=0.0", "bin_m=1e-10"),
        *("start_deg=nan", "start_deg=1e300", "step_deg=0.0", "step_deg=-1.0", "step_deg=inf", "angles_deg=[0,nan]"),
        *("angles_deg=[true]", "angles_deg=[1e300]", "angles_deg=[]", "offset_m=inf", "offset_m=1e300"),
        *("centre_m=[nan,0]", "centre_m=[0,a]", "centre_m=[0]", "centre_m=[0,0,0]", "centre_m=[true,0]", "centre_m=[1e300,0]"),
    ],
)
def test_impossible_numbers_are_refused(word):
    """In one line, before anything is made of them: a billion views would take 9 GiB."""
    free = ["geometry.views=null", "geometry.step_deg=null"] if word.startswith("angles_deg") else []
    with pytest.raises(InputError) as refused:
        experiment("geometry=fan_short", *free, f"geometry.{word}").geometry  # noqa: B018
    said, name = str(refused.value), word.split("=")[0]
    assert name in said and "expected" in said and "\n" not in said


def test_impossible_numbers_end_a_command_in_one_line(tmp_path, capsys):
    for word in ("fov_m=1e-300", "views=1000000000"):
        with pytest.raises(SystemExit) as ended:
            inside("show", "model=fbp", "geometry=tiny", f"geometry.{word}", cwd=tmp_path)
        out, err = capsys.readouterr()
        assert ended.value.code == 2 and not out and len(err.strip().splitlines()) == 1


def test_largest_scan_is_allowed():
    scan = Parallel(pixels=100_000, fov_m=0.36, views=100_000, bins=100_000)
    assert scan.shape == (100_000, 100_000) and math.isclose(scan.pixel_m, 3.6e-6)
    for name in ("pixels", "views", "bins"):
        with pytest.raises(InputError, match=f"{name}.*100,000"):
            dataclasses.replace(Parallel(pixels=16, fov_m=0.36, views=4), **{name: 100_001}, scan_views=None)
