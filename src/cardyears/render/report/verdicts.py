"""The audit of a claim as text."""

from __future__ import annotations

from cardyears.base.text import N_, Text
from cardyears.render.page import Page, Titles
from cardyears.verbs.audit import Audit

WORDS = {
    "impossible": N_("Impossible"),
    "implausible": N_("Implausible"),
    "high": N_("High, but possible"),
    "plausible": N_("Plausible"),
    "low": N_("Low: more hours than the work takes"),
    "overstated": N_("Overstated"),
    "contradictory": N_("Contradictory"),
    "unknown": N_("Cannot be judged"),
}


def audit(found: Audit, page: Page, *, explained: bool = False, titles: Titles = None) -> None:
    """The word, why, and each figure beside what follows from the others."""
    word = WORDS["unknown" if found.plausibility is None else found.plausibility.value]
    page.line(Text("{word:word}: {why}.", word=word, why=found.why), "bold")
    rows: list[tuple[str, Text]] = []
    if found.flop is not None:
        rows.append((N_("FLOP"), Text("{flop:flop} ({origin})", flop=found.flop.mid, origin=found.flop_from)))
    if found.device_s is not None:
        rows.append((N_("device-hours"), Text("{hours:count}", hours=found.device_s / 3600)))
    if found.mfu is not None and found.usual is not None:
        rows.append((N_("implied MFU"), Text("{mfu:percent}; usual {usual:percent}", mfu=found.mfu, usual=found.usual)))
    if found.usual_device_s is not None:
        rows.append((N_("usual time on one device"), Text("{time:duration}", time=found.usual_device_s)))
    page.rows(([page.say(name), page.say(text)] for name, text in rows), wrap=1)
    if found.findings:
        page.heading(N_("Its figures beside what follows from them"))
        page.rows((["·", page.say(one)] for one in found.findings), wrap=1)
    if explained:
        page.heading(N_("Equations"))
        page.line(
            N_(
                "implied MFU = FLOP / (device-seconds · training peak), with FLOP = 6·N·D where the claim gives N and D"
            ),
            indent=2,
        )
    page.sources(["kaplan-2020", "measured-runs"], titles)
