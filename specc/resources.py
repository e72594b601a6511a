"""Where the text files of specc lie: in a source checkout, or inside an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_root() -> Path:
    """Return the folder of templates.

    Raises:
        FileNotFoundError: The installation is damaged.
    """
    return _data("templates", _PACKAGE.parent / "templates")


def presets_root() -> Path:
    """Return the folder of presets, as `extends: presets/NAME` finds them.

    Raises:
        FileNotFoundError: The installation is damaged.
    """
    return _data("presets", _PACKAGE.parent / "specs" / "presets")


def reference_root() -> Path:
    """Return the folder of the reference, whose files are copied into projects as they are."""
    return _PACKAGE / "reference"


def _data(name: str, in_checkout: Path) -> Path:
    """Return the installed folder if there is one: a wheel's neighbours in site-packages are not ours."""
    installed = _PACKAGE / "_data" / name
    for folder in (installed, in_checkout):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"specc is installed without its {name}: {installed} is missing")
