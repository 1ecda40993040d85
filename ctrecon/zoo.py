"""The trained models that come with the package, with their numbers."""

from collections.abc import Iterable

from ctrecon.config.options import options
from ctrecon.disk.table import as_markdown
from ctrecon.evidence.bootstrap import Estimate
from ctrecon.runs import zoo as shipped
from ctrecon.runs.digits import shown
from ctrecon.runs.results import Results


def main(words: Iterable[str]) -> None:
    """ctrecon zoo."""
    print(zoo(**options("zoo", words)[0]))


def zoo(model: str | None) -> str:
    """A table of all models, or the card of one.

    Raises:
        InputError: There is no such model.
    """
    if model is None:
        return (
            as_markdown([_row(name) for name in shipped.names()])
            + "\n\nuse one as run=zoo/NAME; ctrecon zoo model=NAME shows its card"
        )
    card = shipped.card(model.removeprefix(shipped.PREFIX))
    lines = {name: getattr(card, name) for name in ("use", "learned_from", "licence", "credit", "limits")}
    lines["scans"] = f"{', '.join(card.beams)}; " + "; ".join(
        f"{name} {low:g} to {high:g}" for name, (low, high) in card.envelope.items()
    )
    return "\n".join(
        [*(f"{name}: {text}" for name, text in lines.items()), "trained by:", *(f"  {line}" for line in card.commands)]
    )


def _row(name: str) -> dict[str, str]:
    summary = Results(shipped.folder(name)).read_json("metrics.json")
    upright = summary["metrics"]["0"]
    card = shipped.card(name)
    return {
        "model": f"zoo/{name}",
        "parameters": f"{summary['parameters']:,}",
        "PSNR": Estimate(**upright["psnr"]).format("psnr"),
        "SSIM": shown("ssim", upright["ssim"]["mean"]),
        "use": card.use,
    }
