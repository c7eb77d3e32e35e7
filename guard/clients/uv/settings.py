"""What uv's configuration says about indexes: they become the indexes that guard asks, in uv's own order.

uv asks the indexes of ``index`` and ``extra-index-url`` first and the default one last, and the first one that has a
name owns it. An index that is *explicit* is asked for the names that the project gives it; guard asks it last.
(docs.astral.sh/uv/concepts/indexes, docs.astral.sh/uv/reference/environment)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

import tomli

from guard import limits
from guard.clients.line import not_guarded
from guard.constants import PYPI_SIMPLE_URL
from guard.errors import ConfigInvalid, Refused
from guard.managers.pip.index_settings import IndexSettings
from guard.model import RuleId
from guard.registry.credentials import redact_url

# Variables that choose another project, configuration or place of packages than guard looked at.
_REFUSED_VARIABLES = ("UV_PROJECT", "UV_WORKING_DIR", "UV_WORKING_DIRECTORY", "UV_NO_INDEX", "UV_FIND_LINKS")
INDEX_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")

# uv's own settings for these would lead it past guard's.
_PROXIES = frozenset({"http-proxy", "https-proxy", "no-proxy"})

Table = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An index of uv's configuration.

    Args:
        url: of its simple API.
        name: by which variables give its login.
        is_default: whether it stands in place of the public one.
        is_explicit: whether only what is pinned to it comes from there.
    """

    url: str
    name: str = ""
    is_default: bool = False
    is_explicit: bool = False


def load_configuration(folders: Iterable[Path], *, environ: Mapping[str, str], home: Path) -> tuple[Table, ...]:
    """Return the ``[tool.uv]`` tables and ``uv.toml`` files that uv reads, the strongest first.

    Args:
        folders: that may hold the project's; ``uv.toml`` beside ``pyproject.toml`` stands in place of its table.
        environ: the user's environment.
        home: the user's home folder.

    Raises:
        ConfigInvalid: one cannot be read.
        Refused: the environment leads uv elsewhere.
    """
    for name in _REFUSED_VARIABLES:
        if environ.get(name):
            raise Refused(
                RuleId.COMMAND_NOT_GUARDED.value, f"{name} leads uv past what guard looks at", hint=f"unset {name}"
            )
    named = environ.get("UV_CONFIG_FILE")
    if named:
        return (_load_toml(Path(named)),)
    if environ.get("UV_NO_CONFIG", "").lower() in ("1", "true", "yes", "on"):
        return ()
    tables = [_project_table(folder) for folder in folders]
    user = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
    system = [Path(each) for each in (environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep) if each]
    tables += [_load_toml(folder / "uv" / "uv.toml") for folder in (user, *system)]
    return tuple(table for table in (*tables, _load_toml(Path("/etc/uv/uv.toml"))) if table)


def load_manifest(folder: Path) -> Table:
    """Return a project's ``pyproject.toml``; empty where there is none.

    Raises:
        ConfigInvalid: it cannot be read.
    """
    return _load_toml(folder / "pyproject.toml")


def table_of(table: Table, *names: str) -> Table:
    """Return a table inside another one; empty where there is none."""
    for name in names:
        value = table.get(name)
        table = value if isinstance(value, dict) else {}
    return table


def find_indexes(
    tables: Sequence[Table], *, typed: Sequence[Index] = (), environ: Mapping[str, str]
) -> IndexSettings | None:
    """Return the indexes that uv would use, in its order; ``None`` where nothing names any.

    Args:
        tables: of :func:`load_configuration`.
        typed: indexes of the command line, which stand in place of those of the environment.
        environ: the user's environment.

    Raises:
        Refused: packages would come from a folder or a page of links, past every index.
    """
    named = [*(typed or _environment_indexes(environ)), *(each for table in tables for each in _indexes(table))]
    found = [_with_login(each, environ) for each in named]
    for each in found:
        if not each.url.startswith(("http://", "https://")):
            raise _local(f"the index {redact_url(each.url)}")
    if not found:
        return None
    default = next((each.url for each in found if each.is_default), PYPI_SIMPLE_URL)
    first = [each.url for each in found if not each.is_default and not each.is_explicit]
    last = [each.url for each in found if each.is_explicit and not each.is_default]
    urls = tuple(dict.fromkeys((*first, default, *last)))
    return IndexSettings(index_url=urls[0], extra_index_urls=urls[1:])


def _indexes(table: Table) -> Iterator[Index]:
    for name in _PROXIES & table.keys():
        raise not_guarded(f"{name} in uv's configuration", hint="say it by HTTP_PROXY, HTTPS_PROXY and NO_PROXY")
    for part in (table, table_of(table, "pip")):
        if part.get("find-links") or part.get("no-index"):
            raise _local("find-links or no-index in uv's configuration")
        listed = part.get("index")
        for entry in listed if isinstance(listed, list) else ():
            if not isinstance(entry, dict) or entry.get("format", "simple") != "simple":
                raise _local("an index of uv's configuration")
            yield Index(
                url=str(entry.get("url", "")),
                name=str(entry.get("name", "")),
                is_default=entry.get("default") is True,
                is_explicit=entry.get("explicit") is True,
            )
        extra = part.get("extra-index-url")
        yield from (Index(url=str(url)) for url in (extra if isinstance(extra, list) else ()))
        if part.get("index-url"):
            yield Index(url=str(part["index-url"]), is_default=True)


def _environment_indexes(environ: Mapping[str, str]) -> Iterator[Index]:
    for name in INDEX_VARIABLES:
        is_default = name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")
        yield from (index_of(word, is_default=is_default) for word in environ.get(name, "").split())


def index_of(text: str, *, is_default: bool) -> Index:
    """Return the index that ``URL`` or ``NAME=URL`` says."""
    name, equals, url = text.partition("=")
    if equals and "://" not in name:
        return Index(url=url, name=name, is_default=is_default)
    return Index(url=text, is_default=is_default)


def _with_login(index: Index, environ: Mapping[str, str]) -> Index:
    """Add the login that ``UV_INDEX_NAME_USERNAME`` and ``…_PASSWORD`` give."""
    prefix = f"UV_INDEX_{re.sub('[^A-Za-z0-9]', '_', index.name).upper()}"
    user, password = environ.get(f"{prefix}_USERNAME", ""), environ.get(f"{prefix}_PASSWORD", "")
    scheme, separator, place = index.url.partition("://")
    if not index.name or not (user or password) or "@" in place.partition("/")[0]:
        return index
    return replace(index, url=f"{scheme}{separator}{quote(user, safe='')}:{quote(password, safe='')}@{place}")


def _local(what: str) -> Refused:
    return Refused(
        RuleId.COMMAND_NOT_GUARDED.value,
        f"{what} takes packages from a folder or a page of links, which guard does not look at for uv",
        hint="serve them by an index, or use: guard pip install --find-links",
    )


def _project_table(folder: Path) -> Table:
    own = folder / "uv.toml"
    return _load_toml(own) if own.is_file() else table_of(load_manifest(folder), "tool", "uv")


def _load_toml(path: Path) -> Table:
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.POLICY_MAX_BYTES + 1)
        if len(data) > limits.POLICY_MAX_BYTES:
            raise ConfigInvalid(f"{path} is larger than {limits.POLICY_MAX_BYTES} bytes")
        return tomli.loads(data.decode())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ConfigInvalid(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigInvalid(f"{path} cannot be read: {error}") from error
