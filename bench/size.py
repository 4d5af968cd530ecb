"""How large is the core once installed, bytecode and all dependencies included?

Copies the project, installs the copy into a fresh virtual environment in a temporary folder, compiles everything, and
adds up the bytes of site-packages without pip and setuptools. Needs a package index. Exits 1 above the limit.

    python bench/size.py
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

LIMIT_MB = 130.0
ROOT = Path(__file__).resolve().parents[1]
NOT_OURS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")
LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "tests")
IN_A_VENV = "import sysconfig; print(sysconfig.get_path('purelib'))"


def main(arguments: Sequence[str] | None = None) -> int:
    """Install, measure, print, and answer whether the limit holds."""
    parser = argparse.ArgumentParser(description="Installed size of the core, in MB of 10⁶ bytes.")
    parser.add_argument("--extra", default="", metavar="NAME", help="measure with an extra, such as bidi")
    extra = parser.parse_args(arguments).extra
    with tempfile.TemporaryDirectory(prefix="cardyears-size-") as folder:
        sizes = installed(Path(folder), extra)
    total = sum(sizes.values()) / 1e6
    for name, size in sizes.most_common():
        if size >= 50_000:
            print(f"  {name:<28} {size / 1e6:7.2f} MB")
    print(f"  {'together':<28} {total:7.2f} MB, at most {LIMIT_MB:g}{'' if total <= LIMIT_MB else '   BROKEN'}")
    return int(total > LIMIT_MB)


def installed(folder: Path, extra: str) -> Counter[str]:
    """Bytes of everything that an installation brings, by package."""
    project, venv = folder / "project", folder / "venv"
    shutil.copytree(ROOT, project, ignore=LEFT_OUT)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    python = next(path for path in (venv / "bin/python", venv / "Scripts/python.exe") if path.exists())
    wanted = f"{project}[{extra}]" if extra else str(project)
    quiet = ("--quiet", "--disable-pip-version-check")
    subprocess.run([python, "-m", "pip", "install", *quiet, "--no-compile", wanted], check=True)
    subprocess.run([python, "-m", "compileall", "-q", venv], check=False, stdout=subprocess.DEVNULL)
    said = subprocess.run([python, "-c", IN_A_VENV], check=True, capture_output=True, text=True)
    return sizes_in(Path(said.stdout.strip()))


def sizes_in(packages: Path) -> Counter[str]:
    """Bytes by package; a package's metadata count with it."""
    sizes: Counter[str] = Counter()
    for path in packages.rglob("*"):
        top = path.relative_to(packages).parts[0]
        if path.is_file() and not path.is_symlink() and not top.startswith(NOT_OURS):
            sizes[top.split("-")[0].removesuffix(".libs").lower()] += path.stat().st_size
    return sizes


if __name__ == "__main__":
    sys.exit(main())
