"""Engines for clients of Python package indexes that read nothing of pip's configuration."""

from __future__ import annotations

from dataclasses import dataclass

from guard.audit.engines import Engines
from guard.clients.session import Session
from guard.managers.pip.command import PipCommand
from guard.managers.pip.index_settings import IndexSettings
from guard.managers.pip.upstream import make_upstream
from guard.registry.pypi import IndexClient

_NO_OPTIONS = PipCommand("install")


@dataclass(slots=True, kw_only=True)
class IndexEngines(Engines):
    """Engines that ask the indexes of a client's configuration, and nothing of pip's."""

    def index_client(self, index: IndexSettings) -> IndexClient:
        """Return a new client for indexes."""
        return make_upstream(
            typed=_NO_OPTIONS,
            configured=_NO_OPTIONS,
            files=index,
            anchors=self.policy.anchors,
            environ={name: value for name, value in self.app.environ.items() if not name.startswith("PIP_")},
            home=self.app.home,
            deadline=self.app.deadline,
        ).client


def make_engines(session: Session) -> IndexEngines:
    """Return the engines of a run; an installation judges by what registries say now."""
    return IndexEngines(
        app=session.app,
        policy=session.policy,
        trust_root=session.trust_root,
        stack=session.stack,
        asks_anew=True,
    )
