"""One way to start an install."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A line that installs the blocked package ``forged``, and what is expected of it.

    Words between ``@`` stand for places: ``@BIN@`` and ``@PYTHON@`` of the environment with pip, ``@NPMBIN@`` of the
    npm, ``@SHIMS@``, ``@PATH@`` without the shims, ``@INDEX@`` and ``@REGISTRY@``, ``@FILE@`` and ``@TARBALL@`` for the
    addresses of the blocked files, ``@PIPWHEEL@`` for a file with pip in it.

    Args:
        id: stable, and unique.
        about: what is special about it, for the table.
        line: what is typed.
        shell: ``bash``, ``zsh`` or ``fish``, interactive; ``sh``, which reads no startup file, in an environment that a
            guarded shell handed on.
        files: of the project, by path.
        environ: variables beside those of the user.
        status: of the line; ``None`` where another program than guard ends it.
        open_as: what doctor calls it: a ``limit``, or a check and its subject; ``None`` where it is caught.
        source: where somebody met it.
    """

    id: str
    about: str
    line: str
    shell: str = "bash"
    files: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    status: int | None = 10
    open_as: str | None = None
    source: str = ""

    @property
    def group(self) -> str:
        """The part of the identifier that says what kind of way it is."""
        return self.id.partition("/")[0]
