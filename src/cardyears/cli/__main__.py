"""So that ``python -m cardyears.cli`` works where the script is not on the path."""

from cardyears.cli.main import run

run()
