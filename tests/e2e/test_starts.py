"""What guard leaves until pip or npm has begun to run: importing it would be time in which nothing happens."""

from __future__ import annotations

import sys

from tests.e2e.conftest import Environment
from tests.e2e.npm_environment import NpmEnvironment
from tests.e2e.surroundings import Surroundings

# Ends guard where it is about to start the tool, and prints what was imported until then; the probes run as always.
PROGRAM = """
import os, subprocess, sys

start = subprocess.Popen.__init__

def witness(self, argv, *arguments, **settings):
    if any(os.path.basename(word) in ("pip", "npm") for word in map(str, argv)):
        print(*sys.modules, flush=True)
        os._exit(0)
    start(self, argv, *arguments, **settings)

subprocess.Popen.__init__ = witness
sys.argv[0] = "guard"
from guard.cli.main import main
main()
"""
# Parsing guard's options, the report, HTTP towards registries, and what verifies.
LATER = {"click", "rich", "requests", "urllib3", "sigstore", "cryptography", "pydantic", "jsonschema"}
LATER_OF_GUARD = {"guard.cli.commands", "guard.report.model", "guard.registry.http_session"}
LATER_THAN_PIP = {"guard.sigstore.verify", "guard.attest.pypi", "guard.managers.pip.pylock", "packaging.pylock"}


def modules_at_start(user: Surroundings, *argv: str) -> set[str]:
    result = user.run(sys.executable, "-I", "-c", PROGRAM, *argv)
    assert result.status == 0, result.stderr
    return set(result.stdout.split())


def test_pip_begins_before_what_is_needed_later_is_imported(target: Environment) -> None:
    imported = modules_at_start(target, "pip", "install", "--index-url", str(target.index_url), "widget")
    assert {"guard.engine.pypi", "guard.gateway.server"} <= imported
    assert (LATER | LATER_OF_GUARD | LATER_THAN_PIP).isdisjoint(imported)


def test_npm_begins_before_what_is_needed_later_is_imported(npm_target: NpmEnvironment) -> None:
    imported = modules_at_start(npm_target, "npm", "install", "widget")
    assert {"guard.engine.npm", "guard.gateway.server"} <= imported
    assert (LATER | LATER_OF_GUARD).isdisjoint(imported)
