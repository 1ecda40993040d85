"""The charts of a comparison. Each is a function of the comparison alone."""

from collections.abc import Callable

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ctrecon.evidence.bootstrap import Estimate
from ctrecon.evidence.comparison import Comparison, lying
from ctrecon.evidence.contestant import Contestant
from ctrecon.evidence.efficiency import needed
from ctrecon.report.chart import Chart, literal
from ctrecon.runs.run import HISTORY

BESIDE = 1.05  # factor on a logarithmic axis between what would hide each other
SMOOTHER = "between quarter turns the object is interpolated, hence smoother and easier for everybody: compare lines, not angles"
METRICS = {"psnr": "PSNR in dB", "ssim": "SSIM"}  # labels


def sizes(comparison: Comparison) -> Chart:
    """PSNR and SSIM against the number of training images, a column a turn."""
    chart, axes = _grid("quality against training images", 2, len(comparison.turns), sharey="row")
    for number, (row, (metric, label)) in enumerate(zip(axes, METRICS.items(), strict=True)):
        for panel, turn in zip(row, comparison.turns, strict=True):
            _over_sizes(panel, comparison, "" if number else f"test scans {lying(turn)}")
            for name in comparison.names:
                one, *_ = entries = comparison.of(name)
                if one.size is None:
                    mean = comparison.mean(one, metric, turn)
                    chart.level(panel, name, mean, f"{name}: {mean.format(metric)}")
                else:
                    means = [comparison.mean(entry, metric, turn) for entry in entries]
                    chart.line(panel, name, [(e.size, m, _note(e, m.format(metric))) for e, m in zip(entries, means, strict=True)])
        row[0].set_ylabel(label)
    return _finished(chart)


def gains(comparison: Comparison) -> Chart:
    """The paired gain over the baseline against the number of training images, a column a turn."""
    chart, axes = _grid(f"gain over {comparison.names[0]}, image by image", 1, len(comparison.turns), sharey="row")
    chart.key(comparison.names[0])  # has the same colours as in the other charts
    for panel, turn in zip(axes[0], comparison.turns, strict=True):
        _over_sizes(panel, comparison, f"test scans {lying(turn)}")
        panel.axhline(0, color="#222222", lw=0.8)
        for name in comparison.names[1:]:
            entries = [e for e in comparison.of(name) if e.size and comparison.baseline(e)]
            gained = [comparison.gain(entry, "psnr", turn) for entry in entries]
            if entries:
                points = zip(entries, gained, strict=True)
                chart.line(panel, name, [(e.size, g, _note(e, f"{g.format('psnr', '+')} dB")) for e, g in points])
    axes[0][0].set_ylabel("gain in dB PSNR")
    return _finished(chart)


def efficiency(comparison: Comparison) -> Chart:
    """How many images the baseline needs to reach each contestant, a column a turn."""
    first = comparison.names[0]
    chart, axes = _grid(f"images that {first} needs", 1, len(comparison.turns), sharey="row")
    chart.key(first)
    tried = comparison.of(first)
    top, bottom = 2 * tried[-1].size, tried[0].size / 2  # where what is out of reach is drawn
    for panel, turn in zip(axes[0], comparison.turns, strict=True):
        _over_sizes(panel, comparison, f"test scans {lying(turn)}")
        panel.plot(comparison.sizes, comparison.sizes, color="#222222", lw=0.8)
        panel.axhspan(tried[-1].size, 1.3 * top, color="#00000010")
        reach = comparison.sizes[0] / 1.4, comparison.sizes[-1] * 1.4  # marks stand beside their size
        panel.set(yscale="log", xlim=reach, ylim=(bottom / 1.2, 1.2 * top), xlabel="training images of the contestant")
        panel.set_yticks([*comparison.sizes, top], [*map(str, comparison.sizes), "more"])
        panel.yaxis.set_minor_formatter(NullFormatter())
        for number, name in enumerate(comparison.names[1:]):
            for entry in comparison.of(name):
                if entry.size and comparison.baseline(entry):
                    found = needed(comparison, entry, turn)
                    ends = [float(min(max(size, bottom), top)) for size in (found.size, found.low, found.high)]
                    aside = entry.size * BESIDE ** (number - len(comparison.names) / 2 + 1)
                    chart.stem(panel, name, aside, Estimate(*ends, ends[0]), _note(entry, f"as {first} with {found.format()}"))
    axes[0][0].set_ylabel(f"training images of {literal(first)}")
    return _finished(chart)


def turns(comparison: Comparison) -> Chart:
    """PSNR against the angle by which the object is turned."""
    chart, axes = _grid("quality against the angle of the object", 1, len(METRICS))
    for panel, (metric, label) in zip(axes[0], METRICS.items(), strict=True):
        panel.set(xlabel="angle in degrees", ylabel=label)
        panel.set_xticks([float(turn) for turn in comparison.turns])
        for one in comparison.contestants:
            means = {turn: comparison.mean(one, metric, turn) for turn in comparison.turns}
            chart.line(panel, one.name, [(float(t), m, f"{one.name} at {t} degrees: {m.format(metric)}") for t, m in means.items()])
    if any(float(turn) % 90 for turn in comparison.turns):
        chart.figure.supxlabel(SMOOTHER, fontsize=8)
    return _finished(chart)


def contestants(comparison: Comparison) -> Chart:
    """PSNR and SSIM of each contestant, a series a turn."""
    chart, axes = _grid("quality", 1, len(METRICS), height=1.4 + 0.26 * len(comparison.contestants))
    labels = [_called(comparison, one) for one in comparison.contestants]
    for panel, (metric, label) in zip(axes[0], METRICS.items(), strict=True):
        _rows(panel, labels if panel is axes[0][0] else [""] * len(labels))
        panel.set_xlabel(label)
        for number, one in enumerate(comparison.contestants):
            for step, turn in enumerate(comparison.turns):
                mean = comparison.mean(one, metric, turn)
                chart.dot(panel, lying(turn), number + 0.16 * step, mean, f"{labels[number]}, {lying(turn)}: {mean.format(metric)}")
    return _finished(chart)


def cost(comparison: Comparison) -> Chart:
    """Parameters, seconds and memory of each contestant: the mean over its runs, from the smallest to the largest."""
    shown = [comparison.of(name)[-1] for name in comparison.names]
    chart, axes = _grid("what it costs", 2, 2, height=1.8 + 0.5 * len(shown))
    for panel, (key, (label, scale)) in zip(axes.flat, COSTS.items(), strict=True):
        _rows(panel, [one.name for one in shown])
        panel.set_xlabel(label)
        for row, one in enumerate(shown):
            known = [fact[key] * scale for fact in one.facts if fact.get(key)]
            if known:
                mean = sum(known) / len(known)
                over_runs = Estimate(mean, min(known), max(known), mean)
                chart.dot(panel, "mean and range over runs", row, over_runs, f"{one.name}: {mean:.4g}")
        panel.set_xlim(0, 1.05 * panel.dataLim.x1 if panel.has_data() else 1)
    chart.figure.supxlabel("seconds as they passed on a machine that did other things too; the rest is counted", fontsize=8)
    return _finished(chart)


COSTS = {
    "parameters": ("thousand parameters", 1e-3),
    "seconds_per_step": ("ms a training step", 1e3),
    "seconds_per_image": ("ms an image", 1e3),
    "bytes_per_pair": ("MiB kept a training pair", 2.0**-20),
}


def training(comparison: Comparison) -> Chart:
    """Validation PSNR while each run was trained."""
    chart, axes = _grid("training", 1, 1)
    axes[0][0].set(xlabel="step", ylabel="validation PSNR in dB")
    for one in comparison.contestants:
        for rows in _histories(one):
            chart.curve(axes[0][0], one.name, [int(row["step"]) for row in rows], [float(row["psnr"]) for row in rows])
    return _finished(chart)


CHARTS: dict[str, Callable[[Comparison], Chart]] = {
    chart.__name__: chart for chart in (sizes, gains, efficiency, turns, contestants, training, cost)
}


def suited(comparison: Comparison) -> list[str]:
    """The names of the charts that suit a comparison."""
    if len(comparison.of(comparison.names[0])) > 1:
        others = any(one.size and comparison.baseline(one) for one in comparison.contestants)
        return ["sizes", "gains", "efficiency", "cost"] if others else ["sizes", "cost"]
    learned = any(_histories(one) for one in comparison.contestants)
    return ["turns" if len(comparison.turns) > 2 else "contestants", *["training"] * learned, "cost"]


def _histories(one: Contestant) -> list[list[dict[str, str]]]:
    """Of each run that learned, where its results lie in its folder: the rows of its validations."""
    runs = one.results if one.size is not None else []
    return [run.read_rows(HISTORY) for run in runs if (run / HISTORY).is_file()]


def _grid(title: str, rows: int, columns: int, height: float | None = None, **shared) -> tuple[Chart, np.ndarray]:
    figure = Figure(figsize=(max(4.2 * columns, 6.5), (height or 3.1 * rows) + 0.5), layout="constrained")
    return Chart(title, figure), figure.subplots(rows, columns, squeeze=False, **shared)


def _over_sizes(panel, comparison: Comparison, title: str) -> None:
    panel.set(xscale="log", xlabel="training images", xlim=(comparison.sizes[0] / 1.2, comparison.sizes[-1] * 1.2))
    panel.set_title(title, fontsize=9)
    panel.set_xticks(comparison.sizes, [str(size) for size in comparison.sizes])
    panel.xaxis.set_minor_formatter(NullFormatter())


def _rows(panel, labels: list[str]) -> None:
    panel.set_yticks(range(len(labels)), list(map(literal, labels)))
    panel.set_ylim(len(labels) - 0.5, -0.5)


def _finished(chart: Chart) -> Chart:
    for panel in chart.figure.axes:
        panel.grid(alpha=0.25, lw=0.5)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(labelsize=8)
    chart.legend()
    return chart


def _called(comparison: Comparison, one: Contestant) -> str:
    return f"{one.name}, {one.size} images" if one.size and len(comparison.sizes) > 1 else one.name


def _note(one: Contestant, text: str) -> str:
    return f"{one.name}, {one.size} images: {text}"
