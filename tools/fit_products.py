"""What share of its peak does each family of accelerators attain in one matrix product? Fitted on measured latencies.

    python tools/fit_products.py GEMM_SHAPES.csv MATMUL.csv

Fits the curve of `machine.products` to latencies by shape, family by family, and writes
``catalogue/data/silicon.toml``. Where a family was measured only at its best shape, its share comes from that rate, and
the rest of the curve from the families measured by shape; where it was not measured, from its wider class.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cardyears.base.units import TERA
from cardyears.catalogue.compile import DATA, convert_row
from cardyears.catalogue.schema import FigureRow, SiliconRow
from cardyears.machine.products import HALF_BYTES, ProductCurve, product_time
from fit_shares import ALL, CHECKED, FAMILIES
from product_rates import DEVICES, SMALLEST, Array, Best, Shapes, joined, latency, peak_of, read, read_best, read_shapes

MICRO = 1e-6
OTHERS_WEIGH = 0.1
"""Of a shape with a smaller size, against one of interest to training."""
HUBER = 0.1
"""Logarithmic error beyond which a row pulls no harder."""
CENTRE, PRIOR_SD = ProductCurve(share=0.8, depth=50.0, fill=2.3e-10, floor_s=3e-6), (0.2, 1.0, 1.0, 1.0)
"""What a curve is before it sees a row, and by how much in the logarithm it may differ: it decides only what rows do
not tell."""
STREAMING, BEST, LARGE_BYTES, BOUND = 0.88, 0.9, 2e8, 1.5
"""Share of nominal bandwidth that a streaming kernel reaches where products show no more; and which products show it:
this quantile of those that move more bytes than a cache holds and take so many times as long to move as to compute."""

ATTENTION = {
    "a100": (0.52, "measured", ""),
    "h100": (0.39, "measured", "Megatron-Core's kernels; 0.17 with older ones."),
    "blackwell-dc": (0.60, "measured", ""),
    "h200": (0.39, "assumed", "As H100: the same chip."),
    "gh200": (0.39, "assumed", "As H100: the same chip."),
    "rubin": (0.60, "assumed", "As Blackwell, the generation before."),
}
"""Of the forward pass in training, fitted on measured runs."""
POOLED_ATTENTION = (0.52, "assumed", "The middle of A100, H100 and Blackwell.")
IN_TRAINING = {"blackwell-dc": {"mxfp8": 2.3, "nvfp4": 4.1}, "rubin": {"mxfp8": 2.3, "nvfp4": 4.1}}
"""Gains that Blackwell shows in training, casts counted apart; taken over for the generation after it."""
FP8_GAIN = 2.0
"""What training with fp8 products shows, casts counted apart: of families without a rate of their own."""


class Fitted(NamedTuple):
    """A curve with the bandwidth it was fitted with, and the absolute logarithmic errors that are left."""

    curve: ProductCurve
    bandwidth_share: float
    errors: Array
    large: NDArray[np.bool_]


class Table(NamedTuple):
    """All that was measured."""

    fits: Mapping[str, Fitted]
    """By device."""
    families: Mapping[str, Fitted]
    best: Sequence[Best]


def least(residual: Callable[[Array], Array], start: Array, weight: Array) -> Array:
    """Where the weighed Huber loss of the residuals is least: Levenberg and Marquardt's steps, reweighed."""
    step, damping, at, now = 1e-5, 1e-2, start, residual(start)
    loss = huber(now, weight)
    while damping < 1e9:
        slope = np.stack([(residual(at + step * unit) - now) / step for unit in np.eye(len(at))], axis=1)
        pull = weight * np.minimum(1.0, HUBER / np.maximum(np.abs(now), 1e-12))
        square, gradient = slope.T @ (pull[:, None] * slope), slope.T @ (pull * now)
        there = at - np.linalg.solve(square + damping * np.diag(np.diag(square)), gradient)
        then = residual(there)
        if huber(then, weight) >= loss:
            damping *= 5
            continue
        gained = 1 - huber(then, weight) / loss
        at, now, loss, damping = there, then, huber(then, weight), damping / 5
        if gained < 1e-9:
            break
    return at


def huber(residual: Array, weight: Array) -> float:
    """Half the square up to `HUBER`, a straight line beyond."""
    size = np.abs(residual)
    return float(np.sum(weight * np.where(size < HUBER, size * size / 2, HUBER * (size - HUBER / 2))))


def coefficients(curve: ProductCurve) -> Array:
    """A curve as a point: the logarithms of its coefficients."""
    return np.log([curve.share, curve.depth, curve.fill, curve.floor_s])


def curve_at(point: Array) -> ProductCurve:
    """The curve of a point."""
    return ProductCurve(*(float(value) for value in np.exp(point)))


def log_ratio(curve: ProductCurve, shapes: Shapes, streaming: float) -> Array:
    """Logarithm of estimated over measured time."""
    time = product_time(curve, shapes.peak, shapes.bandwidth * streaming, shapes.m, shapes.n, shapes.k)
    return np.asarray(np.log(time / shapes.seconds))


def fit(shapes: Shapes) -> Fitted:
    """The curve nearest to some measured latencies."""
    streaming, centre = streaming_share(shapes), coefficients(CENTRE)
    weight = np.concatenate([np.where(shapes.large, 1.0, OTHERS_WEIGH), np.ones(len(centre))])

    def residual(point: Array) -> Array:
        prior = HUBER * (point - centre) / PRIOR_SD
        return np.concatenate([log_ratio(curve_at(point), shapes, streaming), prior])

    curve = curve_at(least(residual, centre, weight))
    return Fitted(curve, streaming, np.abs(log_ratio(curve, shapes, streaming)), shapes.large)


def streaming_share(shapes: Shapes) -> float:
    """Share of nominal bandwidth that a streaming kernel reaches: at least what memory-bound products reach."""
    moved = HALF_BYTES * (shapes.m * shapes.k + shapes.k * shapes.n + shapes.m * shapes.n)
    computing = 2 * shapes.m * shapes.n * shapes.k / shapes.peak
    bound = (moved > LARGE_BYTES) & (computing * BOUND < moved / shapes.bandwidth)
    if not bound.any():
        return STREAMING
    seen = float(np.quantile((moved / shapes.seconds / shapes.bandwidth)[bound], BEST))
    return max(STREAMING, round(seen, 2))


def fit_all(parts: Sequence[Shapes], best: Sequence[Best]) -> Table:
    """The curve of each device, and of each family over its devices."""
    families: dict[str, list[Shapes]] = {}
    for part in parts:
        families.setdefault(DEVICES[part.device].family, []).append(part)
    return Table(
        {part.device: fit(part) for part in parts}, {key: fit(joined(some)) for key, some in families.items()}, best
    )


def best_share(key: str, rates: Iterable[Best]) -> float | None:
    """The highest share of peak among rates of a device in 16 bit."""
    return max((r.tflop_s / peak_of(key) for r in rates if (r.device, r.dtype) == (key, "half")), default=None)


def by_publisher(rates: Iterable[Best]) -> dict[str, list[Best]]:
    """Rates by who published them."""
    found: dict[str, list[Best]] = {}
    for rate in rates:
        found.setdefault(rate.publisher, []).append(rate)
    return found


def discounts(table: Table) -> dict[str, float]:
    """What a curve approaches over a publisher's best rate, on devices with both; never more than 1."""
    pairs: dict[str, list[float]] = {}
    for publisher, rates in by_publisher(table.best).items():
        for key, fitted in table.fits.items():
            share = best_share(key, rates)
            if share:
                pairs.setdefault(publisher, []).append(fitted.curve.share / share)
    everywhere = median(ratio for ratios in pairs.values() for ratio in ratios)
    return {name: min(1.0, median(pairs.get(name, [everywhere]))) for name in by_publisher(table.best)}


def derived_shares(family: str, table: Table) -> list[tuple[float, str]]:
    """Shares of peak from best rates of a family's devices, discounted, each with its publisher."""
    lower = discounts(table)
    return [
        (share * lower[publisher], publisher)
        for publisher, rates in by_publisher(table.best).items()
        for key in sorted({rate.device for rate in rates if DEVICES[rate.device].family == family})
        if (share := best_share(key, rates))
    ]


def gains(family: str, table: Table) -> tuple[dict[str, float], FigureRow | None]:
    """Gain of each low precision over 16 bit with what it rests on; none where no data sheet has the precision."""
    own = [rate for rate in table.best if DEVICES[rate.device].family == family]
    ratios: dict[str, list[tuple[float, str]]] = {}
    for rate in own:
        half = best_share(rate.device, (r for r in own if r.publisher == rate.publisher))
        if rate.dtype != "half" and half:
            ratio = rate.tflop_s / (half * peak_of(rate.device))
            ratios.setdefault(rate.dtype, []).append((ratio, rate.publisher))
    gained = {dtype: round(median(ratio for ratio, _ in some), 2) for dtype, some in sorted(ratios.items())}
    in_training = IN_TRAINING.get(family, {})
    sheets = [
        row.peak_tflop_s["fp8"] / peak_of(key)
        for key, row in DEVICES.items()
        if row.family == family and peak_of(key) and "fp8" in row.peak_tflop_s
    ]
    if gained:
        source = min(publisher for some in ratios.values() for _, publisher in some)
        note = f"Best rates over those in 16 bit{'; mxfp8 and nvfp4 as training runs show' if in_training else ''}."
        return gained | in_training, FigureRow(source, "derived", note)
    if sheets:
        note = "What training runs show, and no more than any of the data sheets."
        return {"fp8": round(min(FP8_GAIN, *sheets), 2), **in_training}, FigureRow("measured-runs", "assumed", note)
    return {}, None


def pooled(fits: Iterable[Fitted]) -> ProductCurve:
    """A curve in the middle of others, coefficient by coefficient."""
    return curve_at(np.median([coefficients(fitted.curve) for fitted in fits], axis=0))


def curve_row(family: str, table: Table) -> dict[str, Any]:
    """Curve, kind, source and note of a family: measured by shape, derived from best rates, or pooled."""
    fitted = table.families.get(family)
    if fitted:
        devices = [key for key in table.fits if DEVICES[key].family == family]
        return measured(fitted, f"On {', '.join(DEVICES[key].name for key in devices)}.")
    middle, own = pooled(table.families.values()), derived_shares(family, table)
    if own:
        return numbers(middle, median(share for share, _ in own)) | {
            "measurements": len(own),
            "source": min(publisher for _, publisher in own),
            "kind": "derived",
            "note": "Share from best rates at any shape, less what curves lie below such rates where both were "
            "measured; the rest is the middle of the families measured by shape.",
        }
    wider = FAMILIES[family][1] if family in FAMILIES else ALL
    shares = class_shares(wider, table)
    return numbers(middle, median(shares)) | {
        "measurements": 0,
        "source": "aiconfigurator",
        "kind": "assumed",
        "note": f"No measured product: the middle of {len(shares)} families among {wider}.",
    }


def class_shares(wider: str, table: Table) -> list[float]:
    """Shares of the measured families of a class; of all families where it has none."""
    found = {}
    for family, (_, own) in FAMILIES.items():
        if wider in {own, ALL}:
            derived = [share for share, _ in derived_shares(family, table)]
            if family in table.families:
                found[family] = table.families[family].curve.share
            elif derived:
                found[family] = median(derived)
    return list(found.values()) or class_shares(ALL, table)


def measured(fitted: Fitted, note: str) -> dict[str, Any]:
    """The part of a row that a fit gives."""
    large, everything = fitted.errors[fitted.large], fitted.errors
    small = len(everything) < SMALLEST
    return numbers(fitted.curve, fitted.curve.share) | {
        "measurements": len(everything),
        "median_error": round(float(np.median(large)), 3),
        "source": "tpu-recipes" if small else "aiconfigurator",
        "kind": "measured",
        "note": f"{note} Error for m, n, k >= {SMALLEST}: median {np.median(large):.1%}, 90th percentile "
        f"{np.quantile(large, 0.9):.1%}; for all shapes {np.median(everything):.1%}, "
        f"{np.quantile(everything, 0.9):.1%}.",
    }


def numbers(curve: ProductCurve, share: float) -> dict[str, Any]:
    """The coefficients as the catalogue writes them."""
    return {
        "share": round(share, 3),
        "depth": round(curve.depth, 1),
        "fill_per_tflop_s": round(curve.fill * TERA, 1),
        "floor_us": round(curve.floor_s / MICRO, 2),
    }


def row(key: str, family: str, curve: dict[str, Any], fitted: Fitted | None, table: Table) -> SiliconRow:
    """The whole row of a family or a device."""
    attention, kind, note = ATTENTION.get(family, POOLED_ATTENTION)
    gained, gain_figure = gains(family, table)
    streaming = fitted.bandwidth_share if fitted else STREAMING
    seen = FigureRow("aiconfigurator", "measured", "The best tenth of memory-bound products reaches it.")
    usual = FigureRow("aiconfigurator", "assumed", "Of streaming kernels; memory-bound products do not reach more.")
    figures = {
        "attention_share": FigureRow("measured-runs", kind, note),  # type: ignore[arg-type]
        "bandwidth_share": seen if streaming > STREAMING else usual,
    } | ({"gain": gain_figure} if gain_figure else {})
    raw = curve | {
        "name": DEVICES[key].name if key in DEVICES else FAMILIES.get(key, ("All accelerators",))[0],
        "attention_share": attention,
        "bandwidth_share": streaming,
        "gain": gained,
        "checked": CHECKED,
        "figures": {
            name: {f: getattr(figure, f) for f in figure.__struct_fields__} for name, figure in figures.items()
        },
    }
    made: SiliconRow = convert_row(raw, SiliconRow, "silicon.toml", key)
    return made


def rows(table: Table) -> dict[str, SiliconRow]:
    """Every family, and the devices of families of which several were measured; then all that is in neither."""
    found = {}
    for family in sorted(FAMILIES):
        found[family] = row(family, family, curve_row(family, table), table.families.get(family), table)
        devices = [key for key in table.fits if DEVICES[key].family == family]
        for key in sorted(devices) if len(devices) > 1 else ():
            found[key] = row(key, family, measured(table.fits[key], ""), table.fits[key], table)
    found["all"] = row("all", "", curve_row("", table), None, table)
    return found


def toml(key: str, of: SiliconRow) -> str:
    """One table of the file."""
    plain = ("share", "depth", "fill_per_tflop_s", "floor_us", "attention_share", "bandwidth_share", "measurements")
    lines = [f"[{key}]", f'name = "{of.name}"', *(f"{name} = {getattr(of, name)}" for name in plain)]
    if of.median_error is not None:
        lines.append(f"median_error = {of.median_error}")
    if of.gain:
        lines.append(f"gain = {{ {', '.join(f'{dtype} = {value}' for dtype, value in of.gain.items())} }}")
    lines += [
        f'source = "{of.source}"',
        f'kind = "{of.kind}"',
        f"checked = {of.checked}",
        f'note = "{of.note.strip()}"',
    ]
    for name, figure in of.figures.items():
        note = f', note = "{figure.note}"' if figure.note else ""
        lines.append(f'figures.{name} = {{ source = "{figure.source}", kind = "{figure.kind}"{note} }}')
    return "\n".join(lines) + "\n"


HEADER = """# What families of accelerators attain of their data sheets in single kernels: matrix products by shape
# (share, depth, fill, floor: see machine/products.py), fused attention, streaming. Written by tools/fit_products.py.
"""


def report(found: Mapping[str, SiliconRow], table: Table) -> None:
    """Print what was fitted, and what is left."""
    print("best rates are discounted:", {name: round(value, 3) for name, value in discounts(table).items()})
    for key, fitted in {**table.fits, **table.families}.items():
        large, everything = fitted.errors[fitted.large], fitted.errors
        print(
            f"{key:20} {len(everything):6} rows; m, n, k >= {SMALLEST}: {np.median(large):6.1%} "
            f"{np.quantile(large, 0.9):6.1%}; all: {np.median(everything):6.1%} {np.quantile(everything, 0.9):6.1%}"
        )
    for key, of in found.items():
        numbers_ = f"{of.share:6.3f} {of.depth:6.1f} {of.fill_per_tflop_s:6.1f} {of.floor_us:6.2f}"
        print(f"{key:22} {of.kind:9} {numbers_} {of.attention_share:5.2f} {of.bandwidth_share:5.2f} {dict(of.gain)}")


def main(shapes: Path, rates: Path) -> None:
    """Fit, write, print."""
    others = [line for line in read(rates) if line["stat"].startswith("throughput")]
    parts = [part for part in read_shapes([*read(shapes), *others], latency) if part.dtype == "bf16"]
    table = fit_all(parts, list(read_best(read(rates))))
    found = rows(table)
    report(found, table)
    text = "\n".join([HEADER, *(toml(key, of) for key, of in found.items())])
    (DATA / "silicon.toml").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
