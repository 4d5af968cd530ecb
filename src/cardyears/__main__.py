"""So that ``python -m cardyears`` works where the script is not on the path."""

from cardyears.cli.main import run

run()
