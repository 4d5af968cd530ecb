"""What does the catalogue have? Its rows, a function for each kind."""

from __future__ import annotations

from pathlib import Path

from cardyears.api import results
from cardyears.catalogue.load import load
from cardyears.verbs import listing


def models(query: str = "", *, catalogue: str | Path | None = None) -> results.Rows:
    """Models of the catalogue.

    >>> models("gpt-3 175b").rows[0]["shape"]["layers"]
    96
    """
    return _rows("models", query, catalogue)


def devices(query: str = "", *, catalogue: str | Path | None = None) -> results.Rows:
    """Accelerators of the catalogue.

    >>> devices("rtx 4070 ti").rows[0]["key"]
    'rtx-4070-ti'
    """
    return _rows("devices", query, catalogue)


def runs(query: str = "", *, catalogue: str | Path | None = None) -> results.Rows:
    """Published training runs of the catalogue.

    >>> runs("llama 3.1 405b").rows[0]["devices"]
    16384
    """
    return _rows("runs", query, catalogue)


def prices(query: str = "", *, catalogue: str | Path | None = None) -> results.Rows:
    """Dated prices of the catalogue, the newest first.

    >>> prices("h100 sxm 80gb").rows[0]["key"]
    'h100-sxm-80gb'
    """
    return _rows("prices", query, catalogue)


def sources(query: str = "", *, catalogue: str | Path | None = None) -> results.Rows:
    """The bibliography.

    >>> sources("chinchilla").rows[0]["where"]
    'arXiv:2203.15556'
    """
    return _rows("sources", query, catalogue)


def _rows(what: str, query: str, catalogue: str | Path | None) -> results.Rows:
    found = listing.listing(what, query, load() if catalogue is None else load().with_file(catalogue))
    return results.Rows(subject=found, rows=list(found.rows))
