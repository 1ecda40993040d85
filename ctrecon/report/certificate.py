"""A certificate as a table."""

from ctrecon.disk.table import as_markdown
from ctrecon.guarantee.claim import Claim


def as_text(claims: list[Claim]) -> str:
    """One line a claim, what failed last and alone."""
    rows = [
        {
            "guarantee": claim.guarantee,
            "of": claim.subject,
            "theory": claim.theory or "no promise",
            "measured": f"{claim.measured:.3g}" if claim.measured < 0.1 else f"{claim.measured:.5g}",
            "bound": "" if claim.bound is None else f"{claim.bound:.5g}",
            "verdict": claim.verdict,
        }
        for claim in claims
    ]
    kept, failed = (sum(claim.verdict == verdict for claim in claims) for verdict in ("pass", "fail"))
    return f"{as_markdown(rows)}\n\n{kept} claims kept, {failed} failed, {len(claims) - kept - failed} numbers without a promise"
