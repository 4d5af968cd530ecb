"""Fresh random architectures of every family, counted by transformers and torch in front of us.

The seed is the clock's and is printed; `CARDYEARS_SEED=…` repeats a run. Some entries of the golden table are counted
again, so that none of its numbers can be typed in.
"""

from __future__ import annotations

import os
import sys
import time
from random import Random

import pytest
import transformers

from cardyears.resolve.huggingface.families import found
from cardyears.work.architecture import Architecture
from cardyears.work.flops import forward_flop, model_flop
from cardyears.work.params import matmul_parameters, total_parameters
from golden import counted, table
from oracle.measure import BATCH, Counted, attended_pairs, count
from oracle.measure import total_parameters as measured_total
from oracle.sampled import FAMILIES, FLOP_LENGTH, MASK_LENGTH, WINDOWED, Config, draw

pytestmark = pytest.mark.filterwarnings("ignore")  # those of the oracle are not ours
SEED = int(os.environ.get("CARDYEARS_SEED") or time.time_ns() % 1_000_000_007)
GOLDEN_AGAIN = 15
SLOW = {"mamba", "falcon_mamba", "jamba", "rwkv", "zamba2"}
"""Their scans run token by token: counted again at small sizes only."""

TABLE = table()
QUICK = [name for name, line in TABLE.items() if line["config"]["model_type"] not in SLOW]


@pytest.fixture(autouse=True, scope="module")
def _said(pytestconfig: pytest.Config) -> None:
    """The seed on the terminal, whatever pytest captures."""
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        sys.stdout.write(f"\nCARDYEARS_SEED={SEED} transformers {transformers.__version__}\n")
    transformers.logging.set_verbosity_error()


def drawn(family: str) -> Config:
    return draw(family, Random(f"{SEED} {family}"))


def architecture(config: Config) -> Architecture:
    return found(config, "config.json", config["model_type"]).architecture


def compare(config: Config, theirs: Counted, length: int) -> None:
    ours, tokens = architecture(config), BATCH * length
    assert total_parameters(ours) == theirs.parameters
    assert matmul_parameters(ours) == theirs.weights
    if theirs.forward is not None:
        assert forward_flop(ours, length).total * tokens == pytest.approx(theirs.forward, rel=1e-3)
    if theirs.training is not None:
        assert model_flop(ours, length) * tokens == pytest.approx(theirs.training, rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_random_architecture_has_the_parameters_and_flop_of_the_published_implementation(family: str) -> None:
    config = drawn(family)
    compare(config, count(config, length=FLOP_LENGTH), FLOP_LENGTH)


@pytest.mark.parametrize("name", TABLE)
def test_every_golden_total_is_what_the_published_implementation_holds(name: str) -> None:
    line = TABLE[name]
    assert measured_total(line["config"]) == line["parameters"]


@pytest.mark.parametrize("family", WINDOWED)
def test_each_layer_attends_to_what_the_published_mask_lets_through(family: str) -> None:
    config = drawn(family)
    arch = architecture(config)
    layers = [layer for layer, times in arch.layers for _ in range(times)]
    pairs = attended_pairs(config, MASK_LENGTH)
    assert pairs
    for place, theirs in pairs.items():
        mixer = layers[place].mixer
        causal = mixer.core_flop(MASK_LENGTH, causal=True) / mixer.core_flop(1, causal=False) * MASK_LENGTH
        # The causal half leaves out half of the diagonal, or of a window's share of it.
        assert 0 <= theirs - causal <= MASK_LENGTH / 2


@pytest.mark.parametrize("name", Random(SEED).sample(QUICK, GOLDEN_AGAIN))
def test_an_entry_of_the_golden_table_is_what_is_counted_again(name: str) -> None:
    assert counted(TABLE[name]) == TABLE[name]
