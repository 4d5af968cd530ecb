"""What share of its peak does each family of accelerators attain in training? Fitted on measured runs.

    python tools/fit_shares.py RUNS.csv

Works out the MFU of each run from its tokens per second, pools the runs of a family so that every source weighs the
same, and writes ``catalogue/data/shares.toml``. Prints what the pools hide: model size and number of devices.
"""

from __future__ import annotations

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cardyears.catalogue.compile import DATA, convert_row, read_toml, section_files
from cardyears.catalogue.schema import AcceleratorRow, ShareRow
from cardyears.work.architecture import Architecture, Layer
from cardyears.work.channels import Channel, Experts, Mlp
from cardyears.work.flops import model_flop
from cardyears.work.mixers import Attention
from cardyears.work.params import matmul_parameters

CHECKED = "2026-11-24"
FEWEST_RUNS, FEWEST_OF_ONE_SOURCE, FEWEST_SOURCES, NEAR_DEVICES = 5, 10, 3, 8
WIDEN_LOW, WIDEN_HIGH = 0.75, 1.15

GEFORCE, WORKSTATION, DATA_CENTRE, ALL = "GeForce cards", "workstation cards", "data-centre GPUs", "all accelerators"
"""GeForce halves its tensor rate with fp32 accumulate: its share of that peak is higher than a workstation card's."""

FAMILIES = {
    "a100": ("A100, A800", DATA_CENTRE),
    "h100": ("H100, H800", DATA_CENTRE),
    "h200": ("H200", DATA_CENTRE),
    "gh200": ("GH200", DATA_CENTRE),
    "blackwell-dc": ("B200, B300, GB200, GB300", DATA_CENTRE),
    "rubin": ("Rubin", DATA_CENTRE),
    "volta": ("V100", DATA_CENTRE),
    "t4": ("T4", DATA_CENTRE),
    "a10-class": ("A10, A10G, A30", DATA_CENTRE),
    "l4-class": ("L4, L40, L40S", DATA_CENTRE),
    "mi200": ("Instinct MI200", DATA_CENTRE),
    "mi300": ("Instinct MI300 and later", DATA_CENTRE),
    "geforce-turing": ("GeForce RTX 20", GEFORCE),
    "geforce-ampere": ("GeForce RTX 30", GEFORCE),
    "geforce-ada": ("GeForce RTX 40", GEFORCE),
    "geforce-blackwell": ("GeForce RTX 50", GEFORCE),
    "workstation-turing": ("TITAN RTX, Quadro RTX", WORKSTATION),
    "workstation-ampere": ("RTX A, A40", WORKSTATION),
    "workstation-ada": ("RTX Ada", WORKSTATION),
    "workstation-blackwell": ("RTX PRO Blackwell", WORKSTATION),
    "radeon": ("Radeon RX", ALL),
    "intel-arc": ("Intel Arc", ALL),
    "apple": ("Apple M", ALL),
    "gb10": ("GB10", ALL),
    "tpu": ("TPU", ALL),
    "gaudi": ("Gaudi", ALL),
    "trainium": ("Trainium", ALL),
}
"""Family -> its name for people and the wider class that stands in where it has too few runs."""

SOURCES = (
    "BigScience",
    "Google tpu-recipes",
    "MaxText",
    "Megatron-LM",
    "NVIDIA Megatron-Bridge",
    "NVIDIA dgxc-benchmarking",
    "fms-acceleration",
    "fms-fsdp",
    "llm.q",
    "modded-nanogpt",
    "nanochat",
    "torchao",
    "torchtitan",
)
"""Publishers of several tables, each of which counts as one source."""

GPT_VOCAB, GPT_HEAD_DIM = 50_257, 64
"""Of models named GPT whose row leaves them out; head count does not enter the FLOP of plain attention."""


class LackingError(ValueError):
    """Why a row is no use here."""


class Run(NamedTuple):
    """One measured run."""

    family: str
    source: str
    engine: str
    devices: float
    """0: not stated."""
    plain: bool
    """Replicas only: no layer or sequence is split over devices."""
    size: float
    """Matmul parameters."""
    mfu: float

    @property
    def near(self) -> bool:
        """What a person with a box has: few devices, each with a replica or a shard of the state."""
        return self.plain and 1 <= self.devices <= NEAR_DEVICES


class Pool(NamedTuple):
    """Quantiles of MFU over some runs."""

    low: float
    mid: float
    high: float
    runs: int
    sources: tuple[str, ...]
    highest: float

    def widened(self) -> Pool:
        """A spread as of a wider class; never above what was measured."""
        return self._replace(low=self.low * WIDEN_LOW, high=max(self.high, min(self.high * WIDEN_HIGH, self.highest)))


def squash(name: str) -> str:
    """A name without case, spaces and dashes, so that tables that write it differently join."""
    return "".join(char for char in name.lower() if char.isalnum())


def devices() -> dict[str, tuple[str, float]]:
    """Family and training peak (bf16, or fp16 where there is none) in FLOP/s by every name of a device."""
    found: dict[str, tuple[str, float]] = {}
    for path in section_files(DATA, "accelerators"):
        for key, raw in read_toml(path).items():
            row: AcceleratorRow = convert_row(raw, AcceleratorRow, path.name, key)
            peak = row.peak_tflop_s.get("bf16") or row.peak_tflop_s.get("fp16") or 0.0
            for name in (key, row.name, *row.aliases, *row.stands_for):
                found.setdefault(squash(name), (row.family, peak * 1e12))
    return found


def need(row: Mapping[str, str], field: str, default: float | None = None) -> float:
    """A number of the row; `LackingError` where it is empty and has no default."""
    if row.get(field):
        return float(row[field])
    if default is None:
        raise LackingError(f"no {field}")
    return default


def architecture(row: Mapping[str, str]) -> Architecture:
    """The model of a row; `LackingError` where a size is missing that its FLOP depend on."""
    gpt, hidden = row["model"].startswith("GPT"), int(need(row, "hidden"))
    if row["attention"] == "mla":
        raise LackingError("latent attention without its ranks")
    heads = int(need(row, "n_heads", hidden // GPT_HEAD_DIM if gpt else None))
    vocab = 0 if "no LM head" in row["notes"] else int(need(row, "vocab", GPT_VOCAB if gpt else None))
    mixer = Attention(heads, int(need(row, "n_kv_heads", heads)), int(need(row, "head_dim", hidden // heads)))
    layers, gated = int(need(row, "n_layers")), bool(need(row, "ffn_gated"))

    def of(channel: Channel, times: int) -> tuple[Layer, int]:
        return Layer(mixer, channel), times

    if not row["n_experts"]:
        return Architecture(row["model"], hidden, vocab, (of(Mlp(int(need(row, "ffn_hidden")), gated), layers),))
    dense, width = int(need(row, "n_dense_layers", 0)), int(need(row, "moe_ffn_hidden"))
    experts = Experts(
        int(need(row, "n_experts")),
        int(need(row, "top_k")),
        width,
        gated,
        shared_width=int(need(row, "n_shared_experts", 0)) * width,
    )
    first = (of(Mlp(int(need(row, "ffn_hidden")), gated), dense),) if dense else ()
    return Architecture(row["model"], hidden, vocab, (*first, of(experts, layers - dense)))


def refuse(row: Mapping[str, str]) -> None:
    """Raise `LackingError` for a row that does not measure the training of all weights in 16 bit on devices alone."""
    if row["outcome"] != "ran":
        raise LackingError("did not run")
    if row["kind"] not in {"pretrain", "full_ft"}:
        raise LackingError("trains adapters, or is a fine-tuning of unknown kind")
    if "bert" in row["model"].lower():
        raise LackingError("an encoder, whose masked loss and short sequences run at other rates")
    if row["precision"] not in {"bf16", "fp16"}:
        raise LackingError("not bf16 or fp16")
    if row["quality"] != "good":
        raise LackingError("weak")
    if row["offload"] not in {"", "none"}:
        raise LackingError("offloads to the host")
    if "use_varlen_attn" in row["notes"] or "attended length" in row["notes"]:
        raise LackingError("attends inside short samples: its sequence length says nothing")


def read_run(row: Mapping[str, str], known: Mapping[str, tuple[str, float]]) -> Run:
    """One row as a run, its MFU with the whole attention square; `LackingError` with the reason it cannot be."""
    refuse(row)
    family, peak = known.get(squash(row["gpu"]), ("", 0.0))
    if not peak:
        raise LackingError("no peak rate for the device")
    seq_len, arch = need(row, "seq_len"), architecture(row)
    tokens_s = need(row, "tokens_per_s_per_gpu", 0.0)
    if not tokens_s and not row["step_time_s"]:
        raise LackingError("no speed")
    if not tokens_s:
        tokens_s = need(row, "global_batch_seqs") * seq_len / need(row, "step_time_s") / need(row, "n_gpus")
    source = next((prefix for prefix in SOURCES if row["source"].startswith(prefix)), row["source"])
    split = max(need(row, axis, 1.0) for axis in ("tp", "pp", "cp", "ep"))
    return Run(
        family,
        source,
        row["engine"],
        need(row, "n_gpus", 0.0),
        split == 1,
        matmul_parameters(arch),
        float(tokens_s * model_flop(arch, seq_len) / peak),
    )


def read_runs(path: Path) -> tuple[list[Run], Counter[str]]:
    """All usable runs of a file, and how many rows fell away for which reason."""
    known, runs, dropped = devices(), list[Run](), Counter[str]()
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                runs.append(read_run(row, known))
            except LackingError as reason:
                dropped[str(reason)] += 1
    return runs, dropped


def pool(runs: Sequence[Run]) -> Pool:
    """10th, 50th and 90th percentile of MFU, every source weighing the same; one publisher's engines count apart."""
    counts = Counter((run.source, run.engine) for run in runs)
    order = sorted(runs, key=lambda run: run.mfu)
    weights = np.array([1 / counts[run.source, run.engine] for run in order])
    middles = (np.cumsum(weights) - weights / 2) / weights.sum()
    low, mid, high = (float(np.interp(at, middles, [run.mfu for run in order])) for at in (0.1, 0.5, 0.9))
    return Pool(low, mid, high, len(runs), tuple(sorted({run.source for run in runs})), order[-1].mfu)


NEAR = f"1 to {NEAR_DEVICES} devices, no model parallelism."


def enough(runs: Sequence[Run]) -> bool:
    """Whether runs say something of a family, not only of one program on it."""
    lone = len({(run.source, run.engine) for run in runs}) == 1
    return len(runs) >= (FEWEST_OF_ONE_SOURCE if lone else FEWEST_RUNS)


def share(family: str, runs: Sequence[Run]) -> ShareRow:
    """The row of a family: measured where it has enough runs, else its wider class, widened."""
    name, wider = FAMILIES[family]
    own = [run for run in runs if run.family == family]
    near = [run for run in own if run.near]
    if enough(near):
        return _measured(name, near, NEAR)
    if enough(own):
        return _measured(name, own, "Any number of devices and any layout: too few runs on few devices.")
    found = pool([run for run in runs if run.near and (wider == ALL or FAMILIES[run.family][1] == wider)])
    return _row(
        name,
        found.widened(),
        "assumed",
        f"Pooled over {wider}, low x {WIDEN_LOW} and high x {WIDEN_HIGH}, as this "
        f"family has {len(own)} usable runs. {NEAR}",
    )


def _measured(name: str, runs: Sequence[Run], note: str) -> ShareRow:
    """A measured row; fewer sources than three do not show how far programs differ, so it is widened too."""
    found = pool(runs)
    if len(found.sources) >= FEWEST_SOURCES:
        return _row(name, found, "measured", note)
    return _row(
        name,
        found.widened(),
        "measured",
        f"Low x {WIDEN_LOW} and high x {WIDEN_HIGH}, as fewer than {FEWEST_SOURCES} sources measured it. {note}",
    )


def _row(name: str, found: Pool, kind: str, note: str) -> ShareRow:
    raw = {
        "name": name,
        "low": round(found.low, 3),
        "mid": round(found.mid, 3),
        "high": round(found.high, 3),
        "runs": found.runs,
        "sources": found.sources,
        "source": "measured-runs",
        "kind": kind,
        "checked": CHECKED,
        "note": note,
    }
    row: ShareRow = convert_row(raw, ShareRow, "shares.toml", name)
    return row


def toml(key: str, row: ShareRow) -> str:
    """One table of the file."""
    names = ", ".join(f'"{name}"' for name in row.sources)
    return (
        f'[{key}]\nname = "{row.name}"\nlow = {row.low}\nmid = {row.mid}\nhigh = {row.high}\nruns = {row.runs}\n'
        f'sources = [{names}]\nsource = "{row.source}"\nkind = "{row.kind}"\nchecked = {row.checked}\n'
        f'note = "{row.note}"\n'
    )


HEADER = """# Attained share of peak: MFU, whole attention square, dense bf16 or fp16 peak with fp32 accumulate.
# 10th, 50th and 90th percentile of measured runs, every source weighing the same. Written by tools/fit_shares.py.
"""

SIZES = (0.0, 0.2e9, 1e9, 3e9, float("inf"))
SIZE_NAMES = ("< 200M", "200M-1B", "1-3B", "> 3B")


def table(title: str, groups: Iterable[tuple[str, Sequence[Run]]]) -> None:
    """Print quantiles of each group that has runs."""
    print(f"\n{title:44} runs sources  low  mid  high")
    for name, runs in groups:
        if runs:
            found = pool(runs)
            print(f"{name:44} {found.runs:4} {len(found.sources):7} {found.low:.3f} {found.mid:.3f} {found.high:.3f}")


def explained(runs: Sequence[Run]) -> float:
    """Share of the variance of log MFU that a straight line in log size explains."""
    size, mfu = (np.log([getattr(run, name) for run in runs]) for name in ("size", "mfu"))
    return float(np.corrcoef(size, mfu)[0, 1] ** 2)


def report(runs: Sequence[Run]) -> None:
    """Print what the pools hide."""
    near, one = [run for run in runs if run.near], [run for run in runs if run.devices == 1]
    bins = tuple(zip(SIZE_NAMES, SIZES, SIZES[1:], strict=False))
    for title, some in (("one device", one), (NEAR, near)):
        table(
            f"{title} log size explains {explained(some):.0%}",
            (
                (f"{kind}, {name}", [run for run in some if FAMILIES[run.family][1] == kind and low <= run.size < high])
                for kind in (GEFORCE, WORKSTATION, DATA_CENTRE)
                for name, low, high in bins
            ),
        )
    for family in sorted(FAMILIES):
        own = [run for run in runs if run.family == family]
        table(
            family,
            (
                ("1 device", [run for run in own if run.devices == 1]),
                (NEAR, [run for run in own if run.near]),
                (f"1 to {NEAR_DEVICES}", [run for run in own if 1 <= run.devices <= NEAR_DEVICES]),
                (f"> {NEAR_DEVICES}", [run for run in own if run.devices > NEAR_DEVICES]),
            ),
        )


def main(path: Path) -> None:
    """Fit, write, print."""
    runs, dropped = read_runs(path)
    print(f"{len(runs)} runs used; left out:")
    print(*(f"  {count} {reason}" for reason, count in dropped.most_common()), sep="\n")
    report(runs)
    rows = {family: share(family, runs) for family in sorted({family for family, _ in devices().values()})}
    rows["all"] = _row("All accelerators", pool([run for run in runs if run.near]), "measured", NEAR)
    text = "\n".join([HEADER, *(toml(key, row) for key, row in rows.items())])
    (DATA / "shares.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
