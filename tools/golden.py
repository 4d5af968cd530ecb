"""Count the golden table again: what the published implementations hold and compute of known shapes.

    python tools/golden.py [name ...]

The table, `tests/oracles/golden.json`, has a line for each shape: a name, a config and the counts. A new shape is a
new line with a name and a config; "default llama" names a family's own default and needs no line. Without names
everything is counted again. The numbers come from torch and transformers alone (the extra `oracles`);
`tests/published/test_golden.py` compares ours with them, and `tests/oracles` counts some of them again each time, so
that none can be typed in.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
import transformers

from oracle.measure import BATCH, LENGTH, as_on_disk, count

GOLDEN = Path(__file__).parent.parent / "tests" / "oracles" / "golden.json"
DEFAULT = "default "

Line = dict[str, Any]


def table() -> dict[str, Line]:
    """Every line by its name."""
    return {line["name"]: line for line in json.loads(GOLDEN.read_text(encoding="utf-8"))["models"]}


def counted(line: Line) -> Line:
    """A line with the implementation's counts; a family's default with the config that it has now."""
    name = line["name"]
    config = as_on_disk({"model_type": name.removeprefix(DEFAULT)}) if name.startswith(DEFAULT) else line["config"]
    return {"name": name, **count(config)._asdict(), "config": config}


def text(lines: list[Line]) -> str:
    """The table, one model a line, so that a change shows."""
    versions = {"torch": torch.__version__.partition("+")[0], "transformers": transformers.__version__}
    head = json.dumps({"made_by": "tools/golden.py", **versions, "batch": BATCH, "length": LENGTH}, indent=1)
    models = ",\n".join(json.dumps(line, ensure_ascii=False, allow_nan=False) for line in lines)
    return f'{head[:-2]},\n "models": [\n{models}\n ]\n}}\n'


def main(names: list[str]) -> None:
    """Count, and write after every model, so that a break loses nothing."""
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    lines = table()
    for name in names or list(lines):
        lines[name] = counted(lines.get(name, {"name": name}))
        print(f"{name}: {lines[name]['parameters']:,}", flush=True)
        GOLDEN.write_text(text(list(lines.values())), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
