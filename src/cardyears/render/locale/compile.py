"""Makes the .mo files from the .po files. Runs when the package is built."""

from __future__ import annotations

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

HERE = Path(__file__).parent
DOMAIN = "cardyears"


def main() -> None:
    """Write a .mo beside every .po."""
    for path in sorted(HERE.glob(f"*/LC_MESSAGES/{DOMAIN}.po")):
        with path.open("rb") as lines:
            catalogue = read_po(lines, locale=path.parent.parent.name, domain=DOMAIN)
        with path.with_suffix(".mo").open("wb") as compiled:
            write_mo(compiled, catalogue)


if __name__ == "__main__":
    main()
