"""``guard cache``: what guard keeps between runs to be faster, and forgetting it."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from guard.app import App
from guard.errors import ConfigInvalid, ExitCode
from guard.report.text import printable


def print_info(app: App) -> int:
    """Print every cache: how many files, how large, and where."""
    for name, folder in app.caches.items():
        files = [path for path in folder.rglob("*") if path.is_file()]
        size = sum(size_bytes(path) for path in files)
        click.echo(printable(f"{name}: {len(files)} files, {size / 1e6:.1f} MB, {folder}"))
    click.echo(f"{app.facts.count()} verifications and answers of registries are remembered")
    return ExitCode.ALLOWED


def clear(app: App) -> int:
    """Empty every cache. A guard that installs something meanwhile may have to be run again."""
    app.facts.clear()  # other processes may have it open: emptied, not removed
    for folder in app.caches.values():
        if folder != app.facts.path.parent:
            _remove(folder)
    click.echo("the caches are empty")
    return ExitCode.ALLOWED


def size_bytes(path: Path) -> int:
    """Return the size of a file that another process may remove meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _remove(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigInvalid(f"{folder} cannot be removed: {error.strerror}") from error
