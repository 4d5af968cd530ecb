"""Compiles what the package reads at run time: the catalogue and the translations."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SRC = Path(__file__).parent / "src"


class CompileData(BuildHookInterface):
    """Runs before every build, editable ones too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the compiled catalogue and the .mo files into the source tree."""
        sys.path.insert(0, str(SRC))
        from cardyears.catalogue.compile import main as compile_catalogue
        from cardyears.render.locale.compile import main as compile_translations

        compile_catalogue()
        compile_translations()
