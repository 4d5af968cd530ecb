"""What does a row of the catalogue look like?

One Struct for each kind of row, as it stands in the TOML and CSV files under ``data/``; `compile` checks every
file against them and says file and key when a row is wrong. A key that is not here is refused, so a slip of the
pen cannot pass. Units stand in the key (``memory_gib``, ``bandwidth_gb_s``); `load` turns them into SI.

A row has one default ``source`` (a key of the bibliography), ``kind`` and ``checked`` date for all its figures;
``figures`` overrides them for single ones. A figure that no source gives is left out.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import msgspec

from cardyears.base.sourced import Kind

Dtype = Literal["fp64", "fp32", "tf32", "fp16", "fp16-fp16acc", "bf16", "fp8", "fp4", "int8"]
"""A peak rate's input type; the accumulator is fp32 unless the name says otherwise. All are dense."""


Positive = Annotated[int, msgspec.Meta(ge=1, le=10**15)]
Count = Annotated[int, msgspec.Meta(ge=0, le=10**15)]
Figure = Annotated[float, msgspec.Meta(gt=0, le=1e30)]
"""A positive number; neither zero, NaN nor infinite."""
Layers = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
Share = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What every row has: a name for people, other names, a source."""

    name: str
    aliases: tuple[str, ...] = ()
    source: str
    where: str = ""
    """Page, table, section or address inside the source."""
    kind: Kind = "published"
    checked: dt.date
    note: str = ""


class FigureRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Provenance of one figure where it differs from its row's."""

    source: str | None = None
    kind: Kind | None = None
    note: str = ""


class AcceleratorRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One accelerator: dense peak rates at boost clock, memory, power, price."""

    vendor: str
    architecture: str
    family: str
    """The class that measured shares of peak are pooled over: a key of shares.toml."""
    form: Literal["SXM", "PCIe", "OAM", "NVL72", "TPU", "SoC", "laptop", "superchip", "instance"]
    released: str
    """As far as known: 2023, 2023-01 or 2023-01-05."""
    memory_gib: Figure
    memory_type: str = ""
    unified_memory: bool = False
    ecc: bool = False
    bandwidth_gb_s: Figure | None = None
    peak_tflop_s: dict[Dtype, Figure] = {}
    board_w: Figure | None = None
    launch_usd: Figure | None = None
    link: str | None = None
    """Key of links.toml: what joins this device to its neighbours in one box."""
    peer_to_peer: bool = True
    dies: Positive = 1
    """Devices that software sees in one package; memory, rates, power and price are the package's."""
    multiprocessors: Positive | None = None
    stands_for: tuple[str, ...] = ()
    """Family names ("H100") that mean this variant unless another is named; the answer says so."""
    available: bool = True
    """False for a part that is announced and not yet sold."""
    figures: dict[str, FigureRow] = {}
    """Keys are field names (``board_w``) or ``peak.bf16``."""


class LinkRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One class of wire: nominal bandwidth of one direction, per device, and what collectives attain of it."""

    scope: Literal["node", "cluster", "internet"]
    bandwidth_gb_s: Figure
    upload_gb_s: Figure | None = None
    """Where up differs from down, as at home."""
    latency_us: Figure | None = None
    duplex: bool = True
    like: str | None = None
    """Key of the link whose own figures, from attained_share to crowding, stand in where this one has none: as
    assumptions."""
    attained_share: Share | None = None
    """Share of the bandwidth that collectives of large messages reach."""
    hop_us: Figure | None = None
    """From one rank of a ring to the next."""
    call_us: Figure | None = None
    """Of every collective, on the device."""
    ramp_us: Figure | None = None
    """Time on the wire until which a message is too short for the whole bandwidth."""
    in_switch_gain: Figure | None = None
    """Bandwidth of a reduction that the switch does, over that of a ring; it moves (1+1/n)·V, not 2(n-1)/n·V."""
    crowding: Figure | None = None
    """Bandwidth that each device beyond the second takes from all: B/(1 + crowding·(n-2))."""
    peers: Positive | None = None
    """Devices that it runs to by wires of their own, each a share of the bandwidth."""
    axes: Positive | None = None
    """Axes of the torus that it makes."""
    shared_by: Positive | None = None
    """Devices of a node that share its ports, where the bandwidth is the part of one of them; else it is one port."""
    joins: Positive | None = None
    """Devices that it joins beyond one box."""
    figures: dict[str, FigureRow] = {}


class LatentRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Multi-head latent attention's low-rank sizes."""

    kv_rank: Positive
    rope_dim: Count
    nope_dim: Count
    value_dim: Positive
    q_rank: Positive | None = None


class ShapeRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A decoder by its published shape; what is left out has the default named here."""

    layers: Layers
    hidden: Positive
    heads: Positive
    vocab: Positive
    ffn: Positive
    """Width of the dense MLP (of the leading dense layers if all others have experts)."""
    kv_heads: Positive | None = None
    """None: as many as heads."""
    head_dim: Positive | None = None
    """None: hidden / heads."""
    gated: bool = True
    """SwiGLU, GeGLU: three matrices; False: two."""
    tied: bool = False
    positions: Count = 0
    """Rows of a learned position table; 0 with rotary embedding or ALiBi."""
    alibi: bool = False
    """Slopes on the scores instead of a rotary embedding."""
    norm: Literal["rmsnorm", "layernorm", "layernorm-no-bias", "none"] = "rmsnorm"
    """none: a norm without parameters."""
    norms_per_layer: Count = 2
    embedding_norm: bool = False
    """A norm right behind the embedding, as in BLOOM."""
    qk_norm: Literal["none", "head", "hidden"] = "none"
    """A norm of q and k over each head, or over all heads at once."""
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    head_bias: bool = False
    parallel: bool = False
    """Attention and MLP side by side on one input."""
    window: Positive | None = None
    """Sliding window in tokens; None: full attention."""
    global_every: Positive | None = None
    """With a window: every so-manieth layer attends to everything."""
    latent: LatentRow | None = None
    experts: Count = 0
    top_k: Count = 0
    expert_ffn: Count = 0
    shared_experts: Count = 0
    shared_ffn: Count = 0
    """Width of all shared experts together; 0: shared_experts x expert_ffn."""
    shared_gate: bool = False
    """A learned scalar gate on the shared expert, as in Qwen2-MoE."""
    router_bias: bool = False
    expert_bias: bool = False
    dense_layers: Count = 0
    """Leading layers with a dense MLP in a mixture of experts."""
    expert_every: Positive = 1
    """Every so-manieth layer has experts, the others a dense MLP."""
    value_embeddings: Count = 0
    """Layers with a table of their own that adds a looked-up vector to the values, as in nanochat: no FLOP."""
    fused: tuple[Literal["qkv", "gate_up"], ...] = ()
    """Matrices that the published implementation holds as one: they share an adapter of LoRA."""
    attention_sinks: bool = False
    """One learned sink logit per head and layer, as in gpt-oss."""


class ReadingRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One published reading of a model whose maker published nothing."""

    label: str
    source: str
    kind: Kind = "estimate"
    flop: Figure | None = None
    parameters: Figure | None = None
    model: str | None = None
    """Key of the model whose shape this reading takes."""
    note: str = ""

    def __post_init__(self) -> None:
        if self.flop is None and self.parameters is None:
            raise ValueError("a reading needs flop or parameters")


class ModelRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One model: its shape and what is published of its training; or the readings of an undisclosed one."""

    developer: str
    released: str = ""
    family: str
    stands_for: tuple[str, ...] = ()
    """Family names ("llama 3") that mean this size unless another is named; the answer says so."""
    shape: ShapeRow | None = None
    tokens: Figure | None = None
    """Tokens seen in pretraining."""
    sequence_length: Positive | None = None
    """Of pretraining, before any stage that lengthens it."""
    global_batch_tokens: Figure | None = None
    parameters: Positive | None = None
    """The published count, to check ours against; not used in any sum."""
    open_weights: bool = True
    readings: tuple[ReadingRow, ...] = ()
    figures: dict[str, FigureRow] = {}

    def __post_init__(self) -> None:
        if self.shape is None and not any(reading.flop for reading in self.readings):
            raise ValueError("a model needs a shape, or the readings of an undisclosed one, with flop")


class RunRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One whole training run as published: a landmark, and a test of audits."""

    model: str | None = None
    """Key of the model, where the catalogue has it."""
    parameters: Figure | None = None
    active_parameters: Figure | None = None
    tokens: Figure | None = None
    flop: Figure | None = None
    device: str | None = None
    """Key of the accelerator, where the catalogue has it."""
    devices: Positive | None = None
    device_hours: Figure | None = None
    wall_days: Figure | None = None
    mfu: Figure | None = None
    tflop_s_per_device: Figure | None = None
    energy_mwh: Figure | None = None
    tco2e: Figure | None = None
    cost_usd: Figure | None = None
    landmark: bool = False
    """Drawn on the scale of the answer."""


class PriceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One dated price per device-hour. A changed price is a new row."""

    device: str
    provider: str
    market: Literal["on_demand", "spot", "reserved_1y", "reserved_3y"]
    usd_per_device_hour: Figure
    date: dt.date
    source: str
    where: str = ""
    note: str = ""


class GridRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Electricity of one country: price for a household and carbon intensity."""

    usd_per_kwh: Figure | None = None
    gco2e_per_kwh: Figure | None = None
    year: int
    figures: dict[str, FigureRow] = {}


class ShareRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """Attained share of the training peak (MFU) of an accelerator family: quantiles of measured runs."""

    low: Share
    mid: Share
    high: Share
    runs: int
    sources: tuple[str, ...] = ()
    """Names of the sources whose runs are pooled."""

    def __post_init__(self) -> None:
        if not self.low <= self.mid <= self.high:
            raise ValueError("a share needs low <= mid <= high")


class SiliconRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a family of accelerators, or one device of it, attains of its data sheet in single kernels.

    The key is a device's or a family's; a device's own row comes first. The row's source and kind are those of the
    curve of matrix products (`machine.products.ProductCurve`).
    """

    share: Annotated[float, msgspec.Meta(gt=0, le=1.5)]
    """Of the dense peak, in large matrix products."""
    depth: Figure
    """Elements of the summed dimension at which the rate is halved."""
    fill_per_tflop_s: Figure
    """Elements of the output that fill the device, for each TFLOP/s of peak."""
    floor_us: Figure
    """Of the smallest product, on the device."""
    attention_share: Share
    """Of the dense 16-bit peak, in a fused attention kernel, forward, causal half."""
    bandwidth_share: Share
    """Of nominal memory bandwidth, in a streaming kernel."""
    gain: dict[Literal["fp8", "mxfp8", "nvfp4"], Figure] = {}
    """Rate of large products in a lower precision over 16 bit, without the casts."""
    measurements: Count
    """Shapes or rates that the curve was fitted on."""
    median_error: Share | None = None
    """Absolute, on shapes with m, n and k of at least 256."""
    figures: dict[str, FigureRow] = {}


class SustainedRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """What a family of accelerators keeps of its single kernels' rates through whole training steps."""

    products: Figure
    """Rate of matrix products in steps over the same products alone."""
    attention: Figure
    """The same of the fused attention kernel."""
    fp8: Figure = 1.0
    """The same of products in lower precision, over what 16 bit keeps."""
    mxfp8: Figure = 1.0
    nvfp4: Figure = 1.0
    runs: int
    """Measured runs that it was fitted on; 0: the middle of the others."""


class EngineRow(Row, frozen=True, kw_only=True, omit_defaults=True):
    """One training engine: coefficients of its step and what it does by default; see `machine.engine`."""

    recipe: str
    product_factor: Figure
    grouped_loss: Figure
    attention_factor: Figure
    memory_bound_factor: Figure
    kernel_us: Figure
    collective_us: Figure
    routing_us: Figure
    step_ms: Figure
    gradient_exposure: Share
    tensor_exposure: Share = 1.0
    expert_exposure: Share = 1.0
    reduce_bytes: Figure
    loss_passes: Figure
    chunked_loss_passes: Figure
    optimizer_passes: Figure
    yearly_gain: Figure
    years: tuple[Figure, Figure, Figure]
    compiled: bool = False
    compiled_gain: Share
    stops_early: bool = False
    adds_apart: bool = False
    adds_first: bool = False
    pads_vocabulary: bool = False
    whole_tensors: bool = False
    flash: bool = True
    sp: bool = False
    axes: tuple[Literal["tp", "pp", "cp", "ep"], ...] = ()
    """Ways to split layers and sequences over devices that it has, beside data parallelism and ZeRO."""
    context_gib: Figure
    reserve_share: Share
    logit_bytes: Figure
    fused: bool = True
    boundary_copies: Figure = 1.0
    bucket_elements: Annotated[float, msgspec.Meta(ge=0, le=1e12)] = 0.0
    replica_buckets: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.0
    gathered_layers: Figure = 2.0
    needed_only: bool = False
    idle_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    idle_logits: Annotated[float, msgspec.Meta(ge=0, le=8)] = 0.0
    passing_gradient_bytes: Annotated[float, msgspec.Meta(ge=0, le=8)] = 0.0
    low_precision_copies: bool = True
    keeps_gradients: bool = False


class SourceRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One entry of the bibliography."""

    title: str
    where: str
    """Address, arXiv number or DOI."""
    authors: str = ""
    date: str = ""
    note: str = ""
