"""The state of two simulated npm registries that the byte-identity table installs from."""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.sim.npm import NpmSimulator
from tests.sim.npm_packages import make_tarball
from tests.sim.packuments import integrity_of
from tests.sim.world import World

TOKEN = "corporate-token"
# A program that writes down what it was started with. Of PATH one folder is npm's own, below its cache.
_TELLING = """
const { PATH, ...environment } = process.env
const path = PATH.split(':').filter((folder) => !folder.includes('/_npx/'))
environment.npm_execpath = environment.npm_execpath.replace('npx-cli', 'npm-cli') // what npx 9 does npm does for it
const sorted = Object.entries(environment).sort()
const told = { arguments: process.argv.slice(2), directory: process.cwd(), path, environment: sorted }
require('fs').writeFileSync('told.json', JSON.stringify(told, null, 2))
console.log('told', ...process.argv.slice(2))
process.exitCode = Number(environment.TELLER_STATUS || 0)
"""
_NOTING = 'echo $npm_lifecycle_event $npm_package_name >> "$INIT_CWD/order.txt"'
HOOKS = ("preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare")
NOTING = dict.fromkeys(HOOKS, _NOTING)
_ADVISORY = {
    "id": 1,
    "url": "https://advisories.invalid/1",
    "title": "It leaks",
    "severity": "high",
    "vulnerable_versions": "<1.0.1",
    "cwe": [],
    "cvss": {"score": 7, "vectorString": None},
}


@dataclass(frozen=True)
class Registries:
    """Two running registries; nothing changes in them.

    Args:
        world: has the main one.
        corporate: another one, which wants a token.
    """

    world: World
    corporate: NpmSimulator

    @property
    def ports(self) -> set[str]:
        """Ports that may be named in what an installation leaves."""
        main, corporate = self.world.npm, self.corporate
        urls = (main.base_url, main.files_url, corporate.base_url, corporate.files_url)
        return {url.rpartition(":")[2] for url in urls}

    def fill(self, text: str) -> str:
        """Put addresses in place of ``<registry>``, ``<corporate>`` and ``<dart>``, the latter for credentials."""
        dart = self.corporate.url.partition(":")[2]
        texts = {"<registry>": self.world.npm.url, "<corporate>": self.corporate.url, "<dart>": dart}
        for name, address in texts.items():
            text = text.replace(name, address)
        return text


def publish(world: World, corporate: NpmSimulator) -> Registries:
    """Publish everything the table needs.

    ``anvil`` has an upgrade and a pre-release; ``rocket`` depends on it and has a program; ``museum`` keeps the old
    anvil, ``cautious`` wants it as its peer; ``noisy`` has scripts, as has ``choir``, which depends on it; that of
    ``failing`` fails; ``crate`` bundles ``boxed``, which no registry has, and ``wrapped`` brings a shrinkwrap;
    ``flexible`` has an optional dependency of another platform; ``leaky`` has an advisory and its remedy; ``teller``
    and ``create-widget`` are programs; the tarball of ``faraway`` is on another host, ``@corp/tool`` on the other
    registry.
    """
    world.npm.advisories["leaky"] = [_ADVISORY]
    for version, tag in (("1.0.0", "latest"), ("1.1.0", "latest"), ("2.0.0-beta.1", "next")):
        world.upload_npm(make_tarball("anvil", version), tag=tag, attested=version == "1.1.0")
    for version in ("1.0.0", "1.1.0"):
        rocket = make_tarball("rocket", version, dependencies={"anvil": "^1.0.0"}, bin={"launch": "console.log('up')"})
        world.upload_npm(rocket)
    for name, version in (("fuel", "1.0.0"), ("leaky", "1.0.0"), ("leaky", "1.0.1")):
        world.publish_npm(name, version)
    world.publish_npm("@acme/tank", "1.0.0", dependencies={"fuel": "1"})
    world.publish_npm("museum", "1.0.0", dependencies={"anvil": "1.0.0", "rocket": "1.0.0"}, deprecated="closed")
    world.upload_npm(make_tarball("cautious", "1.0.0", peer={"anvil": "1.0.0"}))
    world.publish_npm("noisy", "1.0.0", dependencies={"fuel": "1"}, scripts=NOTING)
    world.publish_npm("choir", "1.0.0", dependencies={"noisy": "1"}, scripts=NOTING)
    world.publish_npm("failing", "1.0.0", dependencies={"anvil": "1"}, scripts={"postinstall": "echo no; exit 3"})
    boxed = make_tarball("boxed", "1.0.0", dependencies={"fuel": "1"}, bin={"box": "console.log('boxed')"})
    world.upload_npm(make_tarball("crate", "1.0.0", bundled={"boxed": boxed}, dependencies={"anvil": "1"}))
    anvil = make_tarball("anvil", "1.0.0")
    shrinkwrap = json.dumps(
        {
            "name": "wrapped",
            "version": "1.0.0",
            "lockfileVersion": 3,
            "packages": {
                "": {"name": "wrapped", "version": "1.0.0", "dependencies": {"anvil": "1"}},
                "node_modules/anvil": {
                    "version": "1.0.0",
                    "resolved": f"{world.npm.url}anvil/-/anvil-1.0.0.tgz",
                    "integrity": integrity_of(anvil),
                },
            },
        }
    )
    wrapped = make_tarball("wrapped", "1.0.0", dependencies={"anvil": "1"}, files={"npm-shrinkwrap.json": shrinkwrap})
    world.upload_npm(wrapped, listed={"_hasShrinkwrap": True})
    world.upload_npm(make_tarball("grounded", "1.0.0", manifest_overrides={"os": ["none"]}))
    world.upload_npm(make_tarball("flexible", "1.0.0", optional={"grounded": "1", "fuel": "1"}))
    for program in ("teller", "create-widget", "@acme/create"):
        world.upload_npm(make_tarball(program, "1.0.0", dependencies={"fuel": "1"}, bin={"teller": _TELLING}))
    world.publish_npm("faraway", "1.0.0", dependencies={"anvil": "1"}, elsewhere=True)
    corporate.credentials, corporate.files_need_credentials = TOKEN, False
    world.publish_npm("@corp/tool", "1.0.0", dependencies={"@corp/part": "1", "fuel": "1"}, registry=corporate)
    world.publish_npm("@corp/part", "1.0.0", registry=corporate, elsewhere=True)
    return Registries(world, corporate)
