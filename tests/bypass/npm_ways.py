"""Ways to npm."""

from __future__ import annotations

import json

from tests.bypass.way import Way


def _manifest(**fields: object) -> dict[str, str]:
    return {"package.json": json.dumps({"name": "project", "version": "1.0.0", **fields})}


NPM_WAYS = (
    Way(id="npm/install", about="npm install", line="npm install forged"),
    Way(id="npm/zsh", about="npm install in zsh", line="npm install forged", shell="zsh"),
    Way(id="npm/fish", about="npm install in fish", line="npm install forged", shell="fish"),
    Way(id="npm/i", about="npm i", line="npm i forged"),
    Way(id="npm/add", about="npm add", line="npm add forged"),
    Way(id="npm/typo", about="npm isntall, an alias of npm's own", line="npm isntall forged"),
    Way(id="npm/prefix", about="npm insta, a prefix", line="npm insta forged"),
    Way(id="npm/install-test", about="npm it", line="npm it forged"),
    Way(id="npm/before", about="options before the command", line="npm --loglevel=error install forged"),
    Way(id="npm/global", about="npm install -g", line="npm install -g forged"),
    Way(id="npm/save-less", about="npm install --no-save", line="npm install --no-save forged"),
    Way(id="npm/exec", about="npm exec", line="npm exec --yes forged"),
    Way(id="npm/x", about="npm x --package", line="npm x --yes --package forged -- true"),
    Way(id="npm/npx", about="npx", line="npx --yes forged"),
    Way(id="npm/npx-zsh", about="npx in zsh", line="npx --yes forged", shell="zsh"),
    Way(id="npm/npx-package", about="npx -p", line="npx --yes -p forged true"),
    Way(id="npm/init", about="npm init NAME", line="npm init --yes forged"),
    Way(id="npm/create", about="npm create NAME", line="npm create --yes forged"),
    Way(id="npm/sh", about="sh -c", line="sh -c 'npm install forged'"),
    Way(id="npm/xargs", about="xargs", line="echo forged | xargs npm install", status=123),
    Way(id="npm/make", about="make", line="make -s", files={"Makefile": "all:\n\tnpm install forged\n"}, status=2),
    Way(id="npm/command", about="the builtin command", line="command npm install forged"),
    Way(
        id="npm/child-process",
        about="node's child_process",
        line='node -e \'process.exit(require("child_process").spawnSync("npm", ["install", "forged"], '
        '{stdio: "inherit"}).status)\'',
    ),
    Way(
        id="npm/manifest",
        about="package.json",
        line="npm install",
        files=_manifest(dependencies={"forged": "1.0.0"}),
    ),
    Way(
        id="npm/update",
        about="npm update",
        line="npm update",
        files=_manifest(dependencies={"forged": "^1.0.0"}),
    ),
    Way(
        id="npm/optional",
        about="an optional dependency",
        line="npm install",
        files=_manifest(optionalDependencies={"forged": "1.0.0"}),
    ),
    Way(
        id="npm/peer",
        about="a peer dependency",
        line="npm install",
        files=_manifest(peerDependencies={"forged": "1.0.0"}),
    ),
    Way(
        id="npm/override",
        about="an override",
        line="npm install",
        files=_manifest(dependencies={"dependent": "1.0.0"}, overrides={"forged": "1.0.0"}),
    ),
    Way(
        id="npm/workspace",
        about="a dependency of a workspace",
        line="npm install",
        files={
            **_manifest(workspaces=["a"]),
            "a/package.json": '{"name": "a", "version": "1.0.0", "dependencies": {"forged": "1.0.0"}}',
        },
    ),
    Way(id="npm/dependency", about="a dependency of something else", line="npm install dependent"),
    Way(id="npm/alias", about="an alias", line="npm install harmless@npm:forged@1.0.0"),
    Way(id="npm/address", about="an address", line="npm install @TARBALL@"),
    Way(id="npm/repository", about="git+https", line="npm install git+https://git.invalid/forged.git"),
    Way(
        id="npm/variable",
        about="npm_config_registry",
        line="npm install forged",
        environ={"npm_config_registry": "@REGISTRY@"},
    ),
    Way(
        id="npm/npmrc",
        about="a registry in the project's .npmrc",
        line="npm install forged",
        files={**_manifest(), ".npmrc": "registry=@REGISTRY@\n"},
    ),
    Way(
        id="npm/scope",
        about="a registry of a scope in .npmrc",
        line="npm install @acme/forged",
        files={**_manifest(), ".npmrc": "@acme:registry=@REGISTRY@\n"},
    ),
    Way(
        id="npm/script-shell",
        about="script-shell in .npmrc",
        line="npm install forged",
        files={**_manifest(), ".npmrc": "script-shell=/bin/true\n"},
    ),
    Way(
        id="npm/run",
        about="a script of package.json",
        line="npm run setup",
        files=_manifest(scripts={"setup": "npm install forged"}),
        status=None,
    ),
    Way(
        id="npm/lifecycle",
        about="a lifecycle script of your own project",
        line="npm install",
        files=_manifest(scripts={"postinstall": "npm install --no-save forged"}),
        status=None,
    ),
    Way(
        id="npm/lifecycle-dependency",
        about="a lifecycle script of an allowed package",
        line="npm install caller",
        status=None,
    ),
    Way(
        id="npm/pip-in-script",
        about="pip in a script of package.json",
        line="npm run setup",
        files=_manifest(scripts={"setup": "pip install forged"}),
        status=None,
    ),
    Way(
        id="npm/activated",
        about="PATH=bin:$PATH npm",
        line='PATH="@NPMBIN@:$PATH" npm install forged',
    ),
    Way(
        id="npm/cache",
        about="npm's own cache, filled without guard",
        line="@NPMBIN@/npm cache add forged; npm install --prefer-offline forged",
    ),
    Way(
        id="npm/npx-cache",
        about="npx's own folder, filled without guard",
        line="@NPMBIN@/npx --yes --ignore-scripts -p forged true; npx --yes forged",
    ),
    Way(id="open/npm-path", about="bin/npm by its path", line="@NPMBIN@/npm install forged", open_as="absolute-path"),
    Way(
        id="open/npm-cli",
        about="node npm-cli.js",
        line="node @NPMBIN@/../lib/node_modules/npm/bin/npm-cli.js install forged",
        open_as="absolute-path",
    ),
    Way(
        id="open/npm-clean",
        about="env -i npm",
        line='env -i HOME="$HOME" PATH=@PATH@ npm install forged',
        open_as="path-set-anew",
    ),
    Way(id="open/bun", about="an installer that guard does not know", line="bun add forged", open_as="plain-word: bun"),
)
