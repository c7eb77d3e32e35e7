"""What happens in the life of honest projects. None of these may be blocked but where a hard fact changed.

A hard fact that changes in an honest project (another host, another repository) looks like a theft, and is blocked once
and then accepted in guard.lock: those histories say so in their names.
"""

from __future__ import annotations

from tests.histories.history import (
    FRESH_DAYS,
    NPM,
    OLD_DAYS,
    PYPI,
    CircleCI,
    GitHub,
    GitLab,
    History,
    Person,
    Upload,
    attested,
)

OURS = GitHub()
ON_MAIN = GitHub(ref="refs/heads/main")

CHANGING_SOFT_FACTS = (
    History(
        name="one workflow on tags publishes everything",
        source="recorded: abi3info 2024.10.3 and 2024.10.8",
        uploads=(*attested("1.0.0", "1.1.0", by=OURS), Upload("1.2.0", OURS)),
        lock="1.0.0",
    ),
    History(
        name="one workflow on tags publishes everything, without guard.lock",
        source="recorded: abi3info 2024.10.3 and 2024.10.8",
        uploads=(*attested("1.0.0", "1.1.0", by=OURS), Upload("1.2.0", OURS)),
    ),
    History(
        name="the workflow is renamed",
        source="https://github.com/wkentaro/git-hunk/pull/266",
        uploads=(
            *attested("1.0.0", by=GitHub(workflow=".github/workflows/publish.yml")),
            Upload("1.1.0", OURS),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=(".github/workflows/publish.yml", ".github/workflows/release.yml"),
    ),
    History(
        name="the workflow is renamed and nobody keeps a guard.lock",
        source="https://github.com/segmentio/analytics-next/pull/1389",
        uploads=(
            *attested("1.0.0", by=GitHub(workflow=".github/workflows/publish.yml")),
            Upload("1.1.0", OURS),
        ),
        noted=("identity-drift",),
    ),
    History(
        name="releases move from tags to main, by another workflow and trigger",
        source="recorded: npm sigstore 1.0.0 and 2.1.0 (amendment 10)",
        uploads=(
            *attested("1.0.0", by=GitHub(workflow=".github/workflows/publish.yml", trigger="release")),
            Upload("1.1.0", ON_MAIN),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("ref", "trigger", "workflow"),
    ),
    History(
        name="certificates begin to carry repository ids",
        source="recorded: npm sigstore 1.0.0 (August 2023, extensions .1 to .6 only) and 2.1.0",
        uploads=(*attested("1.0.0", by=GitHub(repository_id=None, owner_id=None)), Upload("1.1.0", OURS)),
        lock="1.0.0",
    ),
    History(
        name="the repository is transferred to another owner",
        source="recorded: pypi-attestations, from trailofbits to pypi with one repository id",
        uploads=(
            *attested("1.0.0", by=GitHub(repository="trailofbits/widget", owner_id="2314423")),
            Upload("1.1.0", GitHub(repository="pypi/widget", owner_id="2964877")),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("transferred",),
    ),
    History(
        name="the repository is renamed",
        source="https://github.com/coder/xum/pull/3898",
        uploads=(
            *attested("1.0.0", by=GitHub(repository="acme/mux")),
            Upload("1.1.0", GitHub(repository="acme/shux")),
        ),
        lock="1.0.0",
        noted=("identity-drift",),
        says=("renamed",),
    ),
    History(
        name="the owner's account is renamed",
        source="https://github.com/rookslog/zlibrary-mcp/pull/89",
        uploads=(
            *attested("1.0.0", by=GitHub(repository="loganrooks/widget")),
            Upload("1.1.0", GitHub(repository="rookslog/widget")),
        ),
        lock="1.0.0",
        noted=("identity-drift",),
        says=("renamed",),
    ),
    History(
        name="the spelling of the repository changes its letter case",
        source="https://github.com/pypi/warehouse/issues/15498",
        uploads=(
            *attested("1.0.0", by=GitHub(repository="Acme/Widget", repository_id=None, owner_id=None)),
            Upload("1.1.0", GitHub(repository="acme/widget", repository_id=None, owner_id=None)),
        ),
        lock="1.0.0",
    ),
    History(
        name="a deployment environment is introduced",
        source="https://github.com/MaxWinterstein/shfmt-py/pull/77",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitHub(environment="pypi"))),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("environment",),
    ),
    History(
        name="the deployment environment is dropped",
        source="https://github.com/restify/node-restify/pull/2005 (protected environments)",
        uploads=(*attested("1.0.0", by=GitHub(environment="Publish")), Upload("1.1.0", OURS)),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("environment",),
    ),
    History(
        name="releases are built on a self-hosted runner from now on",
        source="amendment 26: self-hosted runners are allowed on PyPI",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitHub(runner="self-hosted"))),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("runner",),
    ),
    History(
        name="a reusable workflow of the same repository signs from now on",
        source="https://github.com/pypa/gh-action-pypi-publish/issues/283 (langchain's _release.yml)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(reusable="acme/widget/.github/workflows/_release.yml@refs/heads/main")),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("signer",),
    ),
    History(
        name="the reusable workflow of a builder is taken in its next version",
        source="slsa-framework/slsa-github-generator, README: builders are referenced by tag",
        uploads=(
            *attested("1.0.0", by=GitHub(reusable="acme/builder/.github/workflows/build.yml@refs/tags/v1.9.0")),
            Upload("1.1.0", GitHub(reusable="acme/builder/.github/workflows/build.yml@refs/tags/v2.0.0")),
        ),
        lock="1.0.0",
    ),
    History(
        name="each release has a branch of its own",
        source="https://github.com/changesets/action (version branches)",
        uploads=(
            *attested("1.0.0", by=GitHub(ref="refs/heads/release/{version}")),
            Upload("1.1.0", GitHub(ref="refs/heads/release/{version}")),
        ),
        lock="1.0.0",
    ),
    History(
        name="tags of a monorepo name the package",
        source="https://github.com/scaleway/scaleway-lib (tags NAME@VERSION)",
        uploads=(
            *attested("1.0.0", by=GitHub(ref="refs/tags/widget@{version}")),
            Upload("1.1.0", GitHub(ref="refs/tags/widget@{version}")),
        ),
        lock="1.0.0",
    ),
    History(
        name="a fix comes from a maintenance branch",
        source="https://github.com/cdklabs/cdk-cicd-wrapper/pull/227",
        uploads=(*attested("1.0.0", "1.1.0", by=ON_MAIN), Upload("1.0.1", GitHub(ref="refs/heads/1.x"))),
        lock="1.1.0",
        found=("identity-drift:warn",),
        says=("refs/heads/main", "ref"),
    ),
    History(
        name="every run of CircleCI has another pipeline",
        source="https://github.com/sigstore/fulcio/pull/2192",
        uploads=(*attested("1.0.0", by=CircleCI()), Upload("1.1.0", CircleCI())),
        lock="1.0.0",
        ecosystems=PYPI,
    ),
    History(
        name="GitLab publishes everything",
        source="https://github.com/pypi/warehouse/pull/17125",
        uploads=(*attested("1.0.0", by=GitLab()), Upload("1.1.0", GitLab())),
        lock="1.0.0",
        ecosystems=PYPI,
    ),
    History(
        name="a GitLab project moves to another group",
        source="https://docs.gitlab.com/user/project/working_with_projects/ (transfer a project)",
        uploads=(
            *attested("1.0.0", by=GitLab()),
            Upload("1.1.0", GitLab(project="widgets/widget", namespace_id="777")),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("transferred",),
        ecosystems=PYPI,
    ),
    History(
        name="a service account publishes everything",
        source="https://github.com/pypi/warehouse/issues/18004",
        uploads=(
            *attested("1.0.0", by=Person(address="publisher@acme.iam.gserviceaccount.com")),
            Upload("1.1.0", Person(address="publisher@acme.iam.gserviceaccount.com")),
        ),
        lock="1.0.0",
        ecosystems=PYPI,
    ),
    History(
        name="trusted publishing gives way to provenance with a token",
        source="https://github.com/pnpm/pnpm/issues/10622 (vite 6.4.1)",
        uploads=(*attested("6.4.0", by=OURS), Upload("6.4.1", OURS)),
        ecosystems=NPM,
    ),
    History(
        name="staged publishing is introduced",
        source="https://github.com/pnpm/pnpm/issues/11887",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitHub(trigger="workflow_dispatch"))),
        noted=("identity-drift",),
        ecosystems=NPM,
    ),
)

WITHOUT_PROVENANCE = (
    History(
        name="nothing was ever attested",
        source="https://github.com/pypi/warehouse/issues/18029",
        uploads=(Upload("1.0.0", None, 2 * OLD_DAYS), Upload("1.1.0")),
    ),
    History(
        name="the first attested release",
        source="https://github.com/spdx/ntia-conformance-checker/issues/223",
        uploads=(Upload("1.0.0", None, OLD_DAYS), Upload("1.1.0", OURS)),
    ),
    History(
        name="the first attested release of a package that guard.lock does not name",
        source="https://github.com/CleverCloud/clever-tools/pull/993",
        uploads=(Upload("1.0.0", None, OLD_DAYS), Upload("1.1.0", OURS)),
        lock="",
    ),
    History(
        name="a back-port to a line that never had provenance",
        source="https://github.com/pnpm/pnpm/issues/10622 (eslint-config-prettier 8.10.2, provenance since 10)",
        uploads=(
            Upload("8.10.1", None, 3 * OLD_DAYS),
            *attested("10.1.7", "10.1.8", by=OURS),
            Upload("8.10.2"),
        ),
    ),
    History(
        name="provenance was dropped long ago",
        source="https://github.com/web-infra-dev/rslib/issues/1333 (chokidar 4.0.3)",
        uploads=(*attested("4.0.1", "4.0.2", by=OURS), Upload("4.0.3", None, OLD_DAYS)),
        found=("provenance-stripped:warn",),
        says=("4.0.2",),
    ),
    History(
        name="provenance was dropped in a lower line long ago",
        source="https://github.com/pnpm/pnpm/issues/13721 (undici-types 6.2x)",
        uploads=(
            *attested("6.20.0", by=OURS),
            Upload("6.21.0", None, OLD_DAYS),
            *attested("7.0.0", by=OURS, days_ago=OLD_DAYS),
            Upload("6.21.1", None, OLD_DAYS),
        ),
        found=("provenance-stripped:warn",),
        says=("6.20.0",),
    ),
    History(
        name="provenance was dropped with a feature, and the lock names the release",
        source="https://github.com/unpunnyfuns/swatchbook/issues/1232 (detect-port 1.6.1, tailwind-merge 2.6.1)",
        uploads=(*attested("1.6.0", by=OURS), Upload("1.6.1")),
        is_locked=True,
        found=("provenance-stripped:warn",),
    ),
    History(
        name="releases of 2.x after 2.1.0 lack provenance since long",
        source="https://github.com/typescript-eslint/ts-api-utils/issues/777",
        uploads=(
            *attested("2.1.0", by=OURS),
            Upload("2.1.1", None, 2 * OLD_DAYS),
            Upload("2.3.0", None, OLD_DAYS),
        ),
        found=("provenance-stripped:warn",),
        says=("2.1.0",),
    ),
    History(
        name="a new minor line of 0.x without provenance",
        source="amendment 12: 0.x has no useful major; the line is major.minor",
        uploads=(*attested("0.5.0", "0.5.1", by=OURS), Upload("0.6.0", None, OLD_DAYS)),
    ),
    History(
        name="a pre-release by hand, finals are attested",
        source="https://github.com/dmwm/WMCore/issues/12179 (2.3.8rc1 to rc4)",
        uploads=(*attested("2.3.6", "2.3.7", by=OURS), Upload("2.3.8rc1")),
        ecosystems=PYPI,
    ),
    History(
        name="canaries by hand, finals are attested",
        source="https://github.com/nrwl/nx/issues/32522 (canary releases beside finals)",
        uploads=(*attested("2.3.6", "2.3.7", by=OURS), Upload("2.4.0-canary.20250826-af44608")),
        ecosystems=NPM,
    ),
    History(
        name="a final by hand after attested pre-releases",
        source="https://github.com/open-atmos/PyPartMC/issues/484",
        uploads=(*attested("2.0.0rc1", by=OURS), Upload("2.0.0")),
        ecosystems=PYPI,
    ),
    History(
        name="a late wheel for another platform by hand",
        source="https://github.com/rzellem/EXOTIC/issues/1344; https://github.com/kmarchais/mmgpy/pull/201",
        uploads=(
            *attested("0.8.0", by=OURS, file="sdist", days_ago=2),
            *attested("0.8.0", by=OURS, file="manylinux_2_17_x86_64", days_ago=2),
            Upload("0.8.0", None, FRESH_DAYS, "win_amd64"),
        ),
        found=("provenance-stripped:warn",),
        says=("0.8.0",),
        ecosystems=PYPI,
    ),
    History(
        name="wheels of one kind never have attestations",
        source="https://github.com/smheidrich/py-json-stream-rs-tokenizer/issues/126 (wheels from CircleCI)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.0.0", None, 2 * OLD_DAYS, "macosx_11_0_arm64"),
            Upload("1.1.0", OURS),
            Upload("1.1.0", None, FRESH_DAYS, "macosx_11_0_arm64"),
        ),
        found=("provenance-stripped:warn",),
        ecosystems=PYPI,
    ),
    History(
        name="an sdist without attestation beside attested wheels",
        source="https://docs.pypi.org/attestations/producing-attestations/ (each file is attested by itself)",
        uploads=(Upload("1.0.0", OURS), Upload("1.0.0", None, FRESH_DAYS, "sdist")),
        found=("provenance-stripped:warn",),
        ecosystems=PYPI,
    ),
    History(
        name="an sdist without attestation where provenance is required",
        source="amendment 12 (c)",
        uploads=(Upload("1.0.0", OURS), Upload("1.0.0", None, FRESH_DAYS, "sdist")),
        policy=("[policy]", 'provenance = "required"'),
        found=("provenance-stripped:block",),
        ecosystems=PYPI,
    ),
    History(
        name="provenance is back after a release without",
        source="https://github.com/jagreehal/ai-sdk-ollama/issues/984; https://github.com/novuhq/novu/issues/11933",
        uploads=(*attested("3.8.5", by=OURS), Upload("3.8.6", None, 2), Upload("3.8.7", OURS)),
        lock="3.8.5",
    ),
    History(
        name="provenance is not asked for",
        source="https://github.com/npm/rfcs/pull/891 (a legitimate decision of a maintainer)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0")),
        policy=("[policy]", 'provenance = "optional"'),
        found=("provenance-stripped:warn",),
    ),
)

CHANGING_HARD_FACTS = (
    History(
        name="blocked once: the project moves from GitHub to GitLab",
        source="https://docs.pypi.org/trusted-publishers/adding-a-publisher/ (several publishers of several hosts)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitLab())),
        lock="1.0.0",
        found=("identity-changed:block",),
        says=("https://gitlab.com",),
        ecosystems=PYPI,
    ),
    History(
        name="accepted in guard.lock: the project moved from GitHub to GitLab",
        source="https://docs.pypi.org/trusted-publishers/adding-a-publisher/ (several publishers of several hosts)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitLab(), 3), Upload("1.2.0", GitLab())),
        lock="1.1.0",
        ecosystems=PYPI,
    ),
    History(
        name="accepted in guard.lock: the very release that changed",
        source="the design, section 6: guard lock records what was reviewed",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitLab())),
        lock="1.1.0",
        noted=("identity-changed",),
        ecosystems=PYPI,
    ),
    History(
        name="long ago, and nobody kept a guard.lock: the project moved to another host",
        source="https://docs.pypi.org/trusted-publishers/adding-a-publisher/ (several publishers of several hosts)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitLab(), OLD_DAYS)),
        ecosystems=PYPI,
    ),
    History(
        name="blocked once: the package moves into a monorepo",
        source="https://github.com/pnpm/pnpm/issues/11391 (packages renamed and moved)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(repository="acme/monorepo", repository_id="1900")),
        ),
        lock="1.0.0",
        found=("identity-changed:block",),
        says=("repository-id",),
    ),
    History(
        name="warned of: the next major comes from another repository",
        source="https://github.com/pnpm/pnpm/issues/11391 (packages renamed and moved)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("2.0.0", GitHub(repository="acme/monorepo", repository_id="1900")),
        ),
        found=("identity-changed:warn",),
    ),
    History(
        name="the lock names the first release from another repository",
        source="amendment 12: already locked releases warn",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(repository="acme/monorepo", repository_id="1900")),
        ),
        is_locked=True,
        found=("identity-changed:warn",),
    ),
    History(
        name="blocked once: the reusable workflow of another repository signs",
        source="slsa-framework/slsa-github-generator (a builder signs for its callers)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(reusable="acme/builder/.github/workflows/build.yml@refs/tags/v2.0.0")),
        ),
        lock="1.0.0",
        found=("identity-changed:block",),
        says=("signer",),
    ),
    History(
        name="required and recorded nowhere: a package that guard.lock does not name",
        source='the design, section 5: identity = "required"',
        uploads=(Upload("1.0.0", OURS),),
        lock="",
        policy=("[policy]", 'identity = "required"'),
        found=("identity-missing:block",),
    ),
    History(
        name="asked for: the deployment environment is a hard fact",
        source="amendment 10: identity-strict makes a soft fact hard",
        uploads=(*attested("1.0.0", by=GitHub(environment="pypi")), Upload("1.1.0", OURS)),
        lock="1.0.0",
        policy=("[policy]", 'identity-strict = ["environment"]'),
        found=("identity-changed:block",),
        says=("environment",),
    ),
)

ORDINARY = CHANGING_SOFT_FACTS + WITHOUT_PROVENANCE + CHANGING_HARD_FACTS
