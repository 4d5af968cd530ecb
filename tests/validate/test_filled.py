"""What rows leave open: every value that is taken has a reason, in every language."""

from __future__ import annotations

from pathlib import Path

import pytest

from cardyears.catalogue.load import load
from cardyears.render.locale.voice import voice
from cardyears.validate.engines import ENGINES
from cardyears.validate.filled import Filled
from cardyears.validate.habits import HABITS
from cardyears.validate.read import Problem, problems
from cardyears.validate.runs import load_runs
from support.arabic import visible
from support.asking import invoke

HEAD = (
    "model,params_b,gpu,n_gpus,seq_len,kind,engine,precision,global_batch_seqs,inter_node_net,step_time_s,"
    "tokens_per_s_per_gpu\n"
)
ROWS = (
    "Llama-3-8B,,RTX 4060 Ti,8,2048,pretrain,Levanter,float13,64,pigeons,,900\n"
    "Llama-3-8B,,H100,8,,qlora,mine,bf16,,,,900\n"
    "Llama-3-8B,,A100,16,2048,pretrain,,fp8,,IB HDR,12,900\n"
    "Nobody-7B,7,H100,64,2048,pretrain,nemo,bf16,256,,,900\n"
    "Llama-3-8B,,H100,8,,pretrain,unsloth,,,,,900\n"
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text(HEAD + ROWS, encoding="utf-8")
    return path


def filled(made: list[Problem]) -> list[Filled]:
    return [one for problem in made for one in problem.filled.values()]


def test_every_reason_is_said_in_arabic(table: Path) -> None:
    ours, skipped = problems(load_runs(table), load())
    assert not skipped
    arabic = voice("ar")
    reasons = {one.reason.msgid for one in filled(ours) + filled(problems(load_runs(), load())[0])}
    reasons |= {HABITS[engine].reason.msgid for engine in ENGINES}
    assert len(reasons) > 50
    assert [msgid for msgid in reasons if arabic.translate(msgid) == msgid] == []


def test_a_reason_has_the_rows_own_words(table: Path) -> None:
    said = {line for one in problems(load_runs(table), load())[0] for line in one.assumed}
    assert said >= {
        "engine=maxtext: Levanter has no coefficients of its own: those of maxtext, which is like it",
        "engine=hf-trainer: engine mine has no row: the usual one for qlora",
        "engine=megatron-core: engine not named: the usual one for pretrain",
        "inter_node_net=empty: inter_node_net=pigeons is no word of this column",
        "precision=bf16: float13 is unknown",
        f"computes=bf16: {load().accelerators['a100-sxm-80gb'].name} has no rate for fp8",
        "ports=200 Gb/s: IB HDR does not say how many: one for each device",
    }


def test_what_a_row_leaves_open_is_explained_in_arabic(table: Path) -> None:
    found = invoke("validate", str(table), "--explain", "--lang", "ar", COLUMNS="200")
    assert found.code == 0
    text = visible(found.out)
    assert "engine=maxtext: ليس لـLevanter معاملات خاصة به" in text
    assert "float13 غير معروف" in text
    for english in ("not stated", "default", "usual", "unknown", "no word", "recipes"):
        assert english not in text
