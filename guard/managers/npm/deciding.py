"""Commands that npm runs once, each release decided when npm asks for it: npx, global installations, links.

What they change is not a project's tree by a lock. npm unpacks everything before it runs the first script, and the
shell of scripts runs nothing once anything was refused, a program that npx would start included.
"""

from __future__ import annotations

from guard.engine.outcome import Outcome
from guard.gateway.server import Gateway
from guard.managers.npm.keeping import Keeping, kept_tree
from guard.managers.npm.project import Backup, load_project
from guard.managers.npm.session import Session, conclude

# Where workspaces are concerned, these go on to install what the project lacks (``lib/utils/update-workspaces.js``).
_ENDS_WITH_INSTALL = frozenset({"init", "version"})


def run_deciding(session: Session) -> Outcome:
    """Run the user's command, deciding each release when it is asked for."""
    project = load_project(session.configuration.local_prefix)
    session.add_named(project)
    backup = Backup(project)
    site = session.make_site()
    keeping = Keeping.LINKED if session.command.command in _ENDS_WITH_INSTALL else Keeping.NOT
    with kept_tree(project.root / "node_modules", keeping) as tree:
        with Gateway(site, takes_posts=True) as gateway:
            try:
                status = session.run_shown(session.command, gateway, site)
                site.raise_crash()
            except BaseException:  # a signal, or a mistake of guard's own
                backup.restore()
                tree.restore()
                raise
        outcome = conclude(Outcome(), session, gateway, site, status=status)
        if not outcome.allowed:
            backup.restore()
            tree.restore()
    return outcome
