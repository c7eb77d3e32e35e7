"""The invocations of npm that the byte-identity table tries, with the state of the project that each begins in."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.e2e.npm_environment import MIDDLE_NPM, NEWEST_NPM, OLDEST_NPM
from tests.e2e.npm_registries import NOTING, TOKEN
from tests.sim.documents import JsonObject
from tests.sim.npm_packages import make_tarball

_NEWEST = (NEWEST_NPM,)
_BOTH = (NEWEST_NPM, OLDEST_NPM)
_ALL = (NEWEST_NPM, MIDDLE_NPM, OLDEST_NPM)


@dataclass(frozen=True, kw_only=True)
class Row:
    """One invocation of npm's.

    Args:
        id: readable name.
        command: the whole line, ``npm`` or ``npx`` first.
        leaves: part of a path that must be there afterwards, so that a row cannot agree in a mistake of its own; empty
            where nothing changes.
        says: part of what stands on stdout then, for the same reason.
        npms: versions to try it with.
        manifest: the project's package.json, name and version aside; ``None`` where there is none.
        files: more of the project, by path: text, bytes or JSON; addresses of registries stand in pointed brackets.
        before: lines of bare npm that prepare the environment.
        then: files that are written after those.
        resolving: pattern of the lines that npm writes to stderr when it resolves, which it does otherwise where
            guard put the lock in place already.
        folder: the working directory, below the project.
        variables: of the environment.
        status: the exit status that is expected.
    """

    id: str
    command: str
    leaves: str = ""
    says: str = ""
    npms: tuple[str, ...] = _NEWEST
    manifest: JsonObject | None = field(default_factory=dict)
    files: dict[str, str | bytes | JsonObject] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    then: dict[str, str | bytes | JsonObject] = field(default_factory=dict)
    resolving: str = ""
    folder: str = "."
    variables: dict[str, str] = field(default_factory=dict)
    status: int = 0


_ROCKET: JsonObject = {"dependencies": {"rocket": "^1.0.0"}, "devDependencies": {"fuel": "*"}}
_MUSEUM: JsonObject = {"dependencies": {"museum": "1.0.0", "anvil": "^1.0.0"}}
_OLD_ANVIL: JsonObject = {"dependencies": {"anvil": "1.0.0"}}
_NEW_ANVIL: JsonObject = {"name": "project", "version": "1.0.0", "dependencies": {"anvil": "^1.0.0"}}
_LOCK_ONLY = "install --package-lock-only"
_LOCAL: dict[str, str | bytes | JsonObject] = {
    "local/package.json": {"name": "local", "version": "1.0.0", "dependencies": {"anvil": "1"}}
}
_ARCHIVE: dict[str, str | bytes | JsonObject] = {
    "files/packed.tgz": make_tarball("packed", "1.0.0", dependencies={"anvil": "1"})
}
_WORKSPACES: JsonObject = {"workspaces": ["packages/*"], "dependencies": {"fuel": "1"}}
_MEMBERS: dict[str, str | bytes | JsonObject] = {
    "packages/one/package.json": {"name": "one", "version": "1.0.0", "dependencies": {"rocket": "1"}},
    "packages/two/package.json": {"name": "two", "version": "1.0.0", "dependencies": {"one": "1", "anvil": "1.0.0"}},
}
_CORPORATE = f"@corp:registry=<corporate>\n<dart>:_authToken={TOKEN}\n"

_INSTALL = (
    Row(id="install", command="npm install", manifest=_ROCKET, leaves=".bin/launch", npms=_ALL),
    Row(id="install-lock", command="npm install", manifest=_MUSEUM, before=(_LOCK_ONLY,), leaves="rocket"),
    Row(id="install-settled", command="npm install", manifest=_ROCKET, before=("install",), says="up to date"),
    Row(
        id="install-lock-outdated",
        command="npm install",
        manifest=_ROCKET,
        before=(_LOCK_ONLY,),
        then={"package.json": {"name": "project", "version": "1.0.1", "dependencies": {"rocket": "1", "museum": "*"}}},
        leaves="node_modules/museum",
    ),
    Row(
        id="install-lock-v1",
        command="npm install",
        manifest=_MUSEUM,
        before=(f"{_LOCK_ONLY} --lockfile-version=1",),
        resolving="npm warn old lockfile",
        leaves="node_modules/museum",
        npms=_BOTH,
    ),
    Row(
        id="install-lock-v2",
        command="npm install fuel",
        manifest=_MUSEUM,
        before=(f"{_LOCK_ONLY} --lockfile-version=2",),
        leaves="node_modules/fuel",
    ),
    Row(
        id="install-nothing",
        command="npm install",
        leaves="project/package-lock.json",
        says="up to date",
    ),
    Row(
        id="install-tree-without-lock",
        command="npm install rocket",
        manifest=_OLD_ANVIL,
        files={".npmrc": "package-lock=false\n"},
        before=("install",),
        leaves="node_modules/rocket",
    ),
    Row(
        id="install-shrinkwrap",
        command="npm install rocket",
        manifest=_OLD_ANVIL,
        before=(_LOCK_ONLY, "shrinkwrap"),
        leaves="project/npm-shrinkwrap.json",
        npms=_BOTH,
    ),
    Row(
        id="install-subfolder", command="npm isntall fuel", files={"deep/down/x": ""}, folder="deep/down", leaves="fuel"
    ),
    Row(
        id="install-prefix",
        command="npm install --prefix ../other anvil",
        files={"../other/package.json": {"name": "other"}},
        leaves="other/node_modules/anvil",
    ),
    Row(id="install-without-manifest", command="npm install anvil", manifest=None, leaves="project/package.json"),
    Row(
        id="install-overrides",
        command="npm install",
        manifest={**_ROCKET, "overrides": {"anvil": "1.0.0"}},
        leaves="node_modules/anvil",
    ),
    Row(id="install-bundled", command="npm install crate", leaves="crate/node_modules/boxed"),
    Row(id="install-shrinkwrapped", command="npm install wrapped", leaves="wrapped/node_modules/anvil"),
    Row(id="install-optional", command="npm install flexible", leaves="node_modules/fuel"),
    Row(id="install-second-host", command="npm install faraway", leaves="node_modules/faraway", npms=_BOTH),
    Row(
        id="install-scoped-registry",
        command="npm install @corp/tool",
        files={".npmrc": _CORPORATE},
        leaves="@corp/part",
        npms=_BOTH,
    ),
    Row(id="install-registry-option", command="npm install -O --registry <registry> fuel", leaves="node_modules/fuel"),
    Row(
        id="install-settings-of-environment",
        command="npm install fuel",
        manifest=None,
        files={"package.json": '{\n\t"name": "indented",\n\t"dependencies": {}\n}\n'},
        variables={"npm_config_save_exact": "true", "npm_config_save_dev": "true"},
        leaves="node_modules/fuel",
    ),
)

_NAMES = (
    Row(id="name", command="npm install rocket", leaves=".bin/launch"),
    Row(id="tag", command="npm install anvil@next rocket@<1.1", leaves="node_modules/anvil"),
    Row(id="alias", command="npm install boulder@npm:anvil@1.0.0 anvil", leaves="node_modules/boulder"),
    Row(id="save-dev-exact", command="npm install -DE rocket", manifest=_OLD_ANVIL, leaves=".bin/launch"),
    Row(id="save-peer", command="npm i --save-peer fuel", leaves="node_modules/fuel"),
    Row(id="no-save", command="npm i --no-save fuel", manifest=_OLD_ANVIL, leaves="node_modules/fuel"),
    Row(id="folder", command="npm i ./local", files=_LOCAL, leaves="node_modules/local"),
    Row(
        id="folder-outside",
        command="npm i ../local",
        files={"../local/package.json": _NEW_ANVIL},
        leaves="node_modules/project",
    ),
    Row(id="archive", command="npm i ./files/packed.tgz", files=_ARCHIVE, leaves="node_modules/packed"),
    Row(id="no-lock", command="npm i --no-package-lock rocket", leaves="node_modules/.package-lock.json"),
    Row(id="lock-only", command="npm i --package-lock-only rocket", leaves="project/package-lock.json"),
    Row(id="omit-dev", command="npm i --omit=dev", manifest=_ROCKET, leaves="node_modules/rocket"),
    Row(id="ignore-scripts", command="npm i --ignore-scripts noisy", leaves="node_modules/noisy"),
    Row(
        id="legacy-peer-deps",
        command="npm i --legacy-peer-deps cautious anvil@1.1.0",
        leaves="node_modules/cautious",
    ),
    Row(id="nested-strategy", command="npm i --install-strategy=nested rocket", leaves="rocket/node_modules/anvil"),
    Row(id="dry-run", command="npm i --dry-run rocket", manifest=_OLD_ANVIL, says="add"),
    Row(id="json", command="npm i --json rocket", leaves="node_modules/rocket", says='"added"'),
    Row(id="camel-case", command="npm installTest rocket", manifest={"scripts": {"test": "launch"}}, says="up"),
    Row(id="option-first", command="npm --save-exact add -- fuel", leaves="node_modules/fuel"),
)

_SCRIPTS = (
    Row(
        id="scripts",
        command="npm install",
        manifest={"dependencies": {"noisy": "1"}, "scripts": NOTING},
        leaves="project/order.txt",
    ),
    Row(
        id="scripts-of-a-name",
        command="npm install noisy",
        manifest={"scripts": NOTING},
        leaves="project/order.txt",
        npms=_BOTH,
    ),
    Row(
        id="scripts-in-foreground",
        command="npm install --foreground-scripts",
        manifest={"dependencies": {"choir": "1"}, "scripts": {"postinstall": "echo loud", "prepare": "echo late"}},
        says="> choir@1.0.0 postinstall",
        leaves="project/order.txt",
    ),
    Row(id="script-fails", command="npm install failing", manifest=_OLD_ANVIL, status=3, npms=_BOTH),
    Row(
        id="root-script-fails",
        command="npm install",
        manifest={**_ROCKET, "scripts": {"postinstall": "exit 7"}},
        leaves="node_modules/rocket",
        status=7,
    ),
    Row(id="rebuild", command="npm rebuild", manifest={"dependencies": {"noisy": "1"}}, before=("install",), says="re"),
)

_TREES = (
    Row(id="ci", command="npm ci", manifest=_MUSEUM, before=(_LOCK_ONLY,), leaves="node_modules/museum", npms=_ALL),
    Row(
        id="ci-over-a-tree",
        command="npm ci",
        manifest={**_MUSEUM, "scripts": NOTING},
        before=("install",),
        then={"node_modules/stray/index.js": "", "node_modules/anvil/index.js": "changed"},
        leaves="node_modules/anvil",
        npms=_BOTH,
    ),
    Row(id="ci-without-lock", command="npm ci", manifest=_ROCKET, status=1),
    Row(
        id="ci-out-of-sync",
        command="npm ci",
        manifest=_OLD_ANVIL,
        before=("install",),
        then={"package.json": {**_NEW_ANVIL, "dependencies": {"rocket": "1"}}},
        leaves="node_modules/anvil",
        status=1,
    ),
    Row(
        id="ci-test",
        command="npm cit --omit=dev",
        manifest={**_ROCKET, "scripts": {"test": "launch"}},
        before=(_LOCK_ONLY,),
        says="up",
        leaves="node_modules/rocket",
    ),
    Row(
        id="ci-local",
        command="npm ci",
        manifest={"dependencies": {"packed": "file:files/packed.tgz", "local": "file:local"}},
        files={**_LOCAL, **_ARCHIVE},
        before=(_LOCK_ONLY,),
        leaves="node_modules/packed/package.json",
        npms=_BOTH,
    ),
    Row(
        id="update",
        command="npm upg",
        manifest=_OLD_ANVIL,
        before=("install",),
        then={"package.json": _NEW_ANVIL},
        says="changed 1",
        leaves="node_modules/anvil",
    ),
    Row(
        id="dedupe",
        command="npm dedupe",
        manifest=_MUSEUM,
        before=("install", "install --no-save --install-strategy=nested rocket"),
        leaves="node_modules/museum",
    ),
    Row(
        id="prune",
        command="npm prune",
        manifest=_ROCKET,
        before=("install", "install --no-save museum"),
        leaves="node_modules/rocket",
        says="removed",
    ),
    Row(
        id="uninstall",
        command="npm uninstall rocket",
        manifest=_ROCKET,
        before=("install",),
        leaves="node_modules/fuel",
        says="removed 2",
    ),
    Row(
        id="audit-fix",
        command="npm audit fix",
        manifest={"dependencies": {"leaky": "^1.0.0"}},
        before=("install leaky@1.0.0 --save-prefix=^",),
        leaves="node_modules/leaky",
        says="changed 1",
        npms=_BOTH,
    ),
)

_GLOBAL = (
    Row(id="global", command="npm install -g rocket", leaves="bin/launch"),
    Row(id="global-update", command="npm up -g rocket", before=("install -g rocket@1.0.0",), says="changed"),
    Row(id="global-uninstall", command="npm rm -g rocket", before=("install -g rocket",), says="removed"),
    Row(id="link-itself", command="npm link", manifest=_ROCKET, leaves="lib/node_modules/project"),
    Row(
        id="link-name",
        command="npm link local",
        files=_LOCAL,
        before=("install -g ./local",),
        leaves="node_modules/local",
    ),
    Row(id="link-folder", command="npm link ./local", files=_LOCAL, leaves="node_modules/local"),
)

_PROGRAMS = (
    Row(id="npx", command="npx --yes teller a 'b c' --d", leaves="told.json", says="told a b c --d", npms=_ALL),
    Row(
        id="exec",
        command="npm exec --yes --package=teller -- teller --x=1",
        manifest=None,
        variables={"TELLER_STATUS": "11"},
        status=11,
        leaves="told.json",
        says="told --x=1",
    ),
    Row(
        id="exec-settings",
        command="npm exec --yes --registry=<registry> --cache=../cached --offline=false teller",
        files={".npmrc": "//registry.invalid/:_authToken=abc\nfetch-timeout=30000\n"},
        variables={"npm_config_noproxy": "localhost", "NPM_CONFIG_PREFER_ONLINE": "true", "no_proxy": "example.org"},
        leaves="told.json",
    ),
    Row(id="npx-call", command="npx -y -p teller -c 'teller $npm_command'", leaves="told.json", says="told exec"),
    Row(
        id="npx-installed",
        command="npx teller here",
        manifest={"dependencies": {"teller": "1"}},
        before=("install",),
        leaves="told.json",
    ),
    Row(id="init", command="npm init -y widget -- --fast", leaves="told.json", says="told --fast"),
    Row(id="create-scoped", command="npm create -y @acme folder", manifest=None, leaves="told.json"),
)

_WORKSPACE_ROWS = (
    Row(id="ws", command="npm install", manifest=_WORKSPACES, files=_MEMBERS, leaves="node_modules/one", npms=_BOTH),
    Row(
        id="ws-named",
        command="npm install -w two @acme/tank",
        manifest=_WORKSPACES,
        files=_MEMBERS,
        leaves="node_modules/@acme/tank",
    ),
    Row(
        id="ws-inside",
        command="npm install cautious",
        manifest=_WORKSPACES,
        files=_MEMBERS,
        folder="packages/two",
        leaves="cautious",
    ),
    Row(id="ws-ci", command="npm ci", manifest=_WORKSPACES, files=_MEMBERS, before=(_LOCK_ONLY,), leaves=".bin/launch"),
    Row(
        id="ws-new-member",
        command="npm install",
        manifest=_WORKSPACES,
        files=_MEMBERS,
        before=("install",),
        then={"packages/three/package.json": {"name": "three", "version": "1.0.0", "dependencies": {"leaky": "1"}}},
        leaves="node_modules/three",
    ),
    Row(
        id="ws-new",
        command="npm init -y -w packages/three",
        manifest=_WORKSPACES,
        files=_MEMBERS,
        before=("install",),
        leaves="packages/three/package.json",
    ),
)

_FAILURES = (
    Row(id="conflict", command="npm install cautious anvil@1.1.0", manifest=_OLD_ANVIL, status=1),
    Row(
        id="conflict-forced",
        command="npm install --force cautious anvil@1.1.0",
        manifest=_OLD_ANVIL,
        resolving="npm warn",
        leaves="node_modules/cautious",
    ),
    Row(id="no-such-version", command="npm install anvil@9", manifest=_ROCKET, before=("install",), status=1),
    Row(id="no-such-package", command="npm install nothing-of-that-name", status=1),
    Row(id="npx-no-such-program", command="npx -y fuel", status=1),
)

ROWS = (
    *_INSTALL,
    *_NAMES,
    *_SCRIPTS,
    *_TREES,
    *_GLOBAL,
    *_PROGRAMS,
    *_WORKSPACE_ROWS,
    *_FAILURES,
)
