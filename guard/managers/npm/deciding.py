"""Commands that npm runs once, each release decided when npm asks for it: npx, global installations, links.

What they change is not a project's tree by a lock. npm unpacks everything before it runs the first script, and the
shell of scripts runs nothing once anything was refused, a program that npx would start included.
"""

from __future__ import annotations

from guard.engine.outcome import Outcome
from guard.gateway.server import Gateway
from guard.managers.npm.project import Backup, load_project
from guard.managers.npm.session import Session, conclude


def run_deciding(session: Session) -> Outcome:
    """Run the user's command, deciding each release when it is asked for."""
    backup = Backup(load_project(session.configuration.local_prefix))
    site = session.make_site()
    with Gateway(site, takes_posts=True) as gateway:
        status = session.run_shown(session.command, gateway, site)
    site.raise_crash()
    outcome = conclude(Outcome(), session, gateway, site, status=status)
    if not outcome.allowed:
        backup.restore()
    return outcome
