"""Whatever is wrong with a config: one clear sentence with the file, the key and a remedy, at once."""

import json
import re
import subprocess
import sys
import time

import pytest

from cardyears.base.errors import BadInput, CardyearsError, Contradiction, UnknownName, UnreadableValue, UnusableFile
from cardyears.catalogue.load import load
from cardyears.resolve.defaults import Assumed
from cardyears.resolve.huggingface.families import found
from cardyears.resolve.huggingface.read import read
from cardyears.resolve.models import model

LLAMA = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}
WHOLE = json.dumps(LLAMA)

FILES = {
    "cut off": (WHOLE[:100].encode(), BadInput, r"is not JSON \(.*line 1"),
    "binary": (bytes(range(256)) * 10, UnusableFile, "is not text"),
    "200 MB": (None, UnusableFile, "has 200 MB; a model's description has less than 2 MB"),
    "empty": (b"", BadInput, "is not JSON"),
    "a list": (b"[1, 2]", BadInput, "is not an object"),
    "NaN": (WHOLE.replace("4096", "NaN").encode(), BadInput, r"hidden_size is not a number \(NaN\)"),
    "infinite": (WHOLE.replace("4096", "Infinity").encode(), UnreadableValue, "hidden_size = inf is not a whole"),
    "nested without end": (b'{"a":' * 100_000, BadInput, "nested too deep|is not JSON"),
    "nested with end": (b"[" * 100_000 + b"]" * 100_000, BadInput, "nested too deep"),
    "a key twice": (b'{"hidden_size": 8, "hidden_size": 16}', BadInput, "says hidden_size twice"),
    "a number of 5,000 digits": (b'{"hidden_size": ' + b"9" * 5_000 + b"}", BadInput, "a number that no config needs"),
    "no model's": (b'{"top_p": 0.9}', BadInput, "has no model_type"),
    "an adapter's": (
        b'{"peft_type": "LORA", "base_model_name_or_path": "meta/base", "r": 8}',
        BadInput,
        "is an adapter's config.*base model, meta/base",
    ),
    "an encoder's": (b'{"model_type": "bert", "hidden_size": 768}', BadInput, "config of bert, an encoder; only decod"),
    "of images": (b'{"model_type": "vit"}', BadInput, "config of vit, a model of images"),
    "of images and words": (
        b'{"model_type": "clip", "text_config": {}}',
        BadInput,
        "config of clip, a model of images",
    ),
    "of sound": (b'{"model_type": "whisper"}', BadInput, "config of whisper, a model of sound"),
    "encoder and decoder": (
        b'{"model_type": "new", "is_encoder_decoder": true}',
        BadInput,
        "an encoder with a decoder",
    ),
    "of diffusion": (b'{"_class_name": "UNet2DConditionModel"}', BadInput, "a part of a diffusion model"),
}


@pytest.mark.parametrize(("content", "error", "says"), FILES.values(), ids=FILES)
def test_a_file_that_is_no_config_is_refused_at_once(tmp_path, content, error, says):
    file = tmp_path / "config.json"
    if content is None:
        with file.open("wb") as stream:
            stream.truncate(200_000_000)
    else:
        file.write_bytes(content)
    start = time.perf_counter()
    with pytest.raises(error) as caught:
        found(read(file), str(file), "bad")
    assert time.perf_counter() - start < 1
    said = str(caught.value)
    assert re.search(says, said)
    assert "config.json" in said
    assert caught.value.exit_code == 2
    assert str(caught.value.remedy)
    assert "\n" not in said


VALUES = {
    "a string for a number": ({"hidden_size": "4096"}, UnreadableValue, "hidden_size = '4096' is not a number"),
    "a negative count": ({"num_hidden_layers": -4}, UnreadableValue, "num_hidden_layers = -4 is too small"),
    "zero": ({"vocab_size": 0}, UnreadableValue, "vocab_size = 0 is too small"),
    "a fraction": ({"num_attention_heads": 32.5}, UnreadableValue, "num_attention_heads = 32.5 is not a whole number"),
    "true": ({"num_attention_heads": True}, UnreadableValue, "num_attention_heads = True is not a number"),
    "an absurd size": ({"hidden_size": 10**10}, UnreadableValue, "hidden_size = 10000000000 is too large"),
    "absurdly many layers": ({"num_hidden_layers": 10**6}, UnreadableValue, "is too large.*1 to 10,000"),
    "a list for a number": ({"vocab_size": [1, 2]}, UnreadableValue, "vocab_size = .1, 2. is not a number"),
    "a word for a flag": ({"tie_word_embeddings": "yes"}, UnreadableValue, "tie_word_embeddings = 'yes' is neither"),
    "heads that do not divide": ({"num_attention_heads": 33}, Contradiction, "num_key_value_heads = 8 does not divide"),
    "a width that heads do not divide": (
        {"hidden_size": 4097},
        Contradiction,
        "num_attention_heads = 32 does not divide hidden_size = 4,097",
    ),
    "an unknown model type": (
        {"model_type": "lama"},
        UnknownName,
        "no model type is called lama; the nearest is llama",
    ),
    "a model type that is no word": ({"model_type": 7}, BadInput, "has no model_type"),
    "more chosen experts than there are": (
        {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 8},
        Contradiction,
        "num_experts_per_tok = 8 of num_local_experts = 4 experts cannot be chosen",
    ),
    "a list of kinds that is too short": (
        {"model_type": "gemma2", "layer_types": ["full_attention"]},
        Contradiction,
        "layer_types has 1 entries for 32 layers",
    ),
    "an unknown kind of layer": (
        {"model_type": "gemma2", "layer_types": ["odd"] * 32},
        UnreadableValue,
        "layer_types = 'odd' is not a kind of layer",
    ),
    "a nested object that is none": (
        {"model_type": "dbrx", "attn_config": 3},
        UnreadableValue,
        "attn_config = 3 is not an object",
    ),
    "a pattern of other letters": (
        {"model_type": "exaone4", "sliding_window_pattern": "LXG"},
        UnreadableValue,
        "sliding_window_pattern = 'LXG' is no pattern",
    ),
    "nested layers that do not add up": (
        {"model_type": "gpt_neo", "attention_types": [[["global"], 3]]},
        UnreadableValue,
        "attention_types = .* is no list of layers",
    ),
}


@pytest.mark.parametrize(("changed", "error", "says"), VALUES.values(), ids=VALUES)
def test_a_value_that_cannot_be_names_file_key_and_remedy(changed, error, says):
    with pytest.raises(error) as caught:
        found({**LLAMA, **changed}, "my/config.json", "bad")
    assert re.search(says, str(caught.value))
    assert "my/config.json" in str(caught.value)


def test_an_unknown_model_type_shows_the_shape_filled_in():
    with pytest.raises(UnknownName) as caught:
        found({**LLAMA, "model_type": "brand-new"}, "config.json", "new")
    assert caught.value.details.splitlines()[:8] == [
        'name = "brand-new"',
        "",
        "[shape]",
        "layers = 32",
        "hidden = 4096",
        "heads = 32",
        "ffn = 14336",
        "vocab = 128256",
    ]


def test_the_shape_that_is_shown_can_be_read(tmp_path):
    with pytest.raises(UnknownName) as caught:
        found({**LLAMA, "model_type": "brand-new"}, "config.json", "new")
    file = tmp_path / "shape.toml"
    file.write_text(caught.value.details, encoding="utf-8")
    shape = model(str(file), load(), Assumed({})).architecture
    assert shape == found(LLAMA, "config.json", "brand-new").architecture


def test_a_missing_path_is_no_model_name(tmp_path):
    for path in (tmp_path / "config.json", tmp_path / "nowhere", f"{tmp_path}/"):
        with pytest.raises(UnusableFile):
            model(str(path), load(), Assumed({}))


def test_a_folder_is_read_by_its_config(tmp_path):
    folder = tmp_path / "my-model"
    folder.mkdir()
    with pytest.raises(UnusableFile, match=r"has no config\.json"):
        model(str(folder), load(), Assumed({}))
    (folder / "config.json").write_text(WHOLE, encoding="utf-8")
    one = model(str(folder), load(), Assumed({}))
    assert one.name == "my-model"
    assert one.architecture == found(LLAMA, "config.json", "my-model").architecture


def test_a_folder_with_an_adapter_points_at_the_base_model(tmp_path):
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    with pytest.raises(BadInput, match="Name the config of its base model"):
        model(str(tmp_path), load(), Assumed({}))


def test_a_path_too_long_for_any_disk_is_a_clear_line():
    for name in ("./" + "x" * 5_000, "./a\0b"):
        with pytest.raises(CardyearsError):
            model(name, load(), Assumed({}))


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(WHOLE, encoding="utf-8-sig")
    assert read(file) == LLAMA


def test_the_command_line_says_one_line_and_exits_with_2(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(WHOLE.replace("4096", '"many"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cardyears", "params", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "hidden_size = 'many' is not a number" in done.stderr


def test_the_command_line_shows_the_shape_below_its_line(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(WHOLE.replace('"llama"', '"brand-new"'), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "cardyears", "params", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "[shape]" in done.stderr
