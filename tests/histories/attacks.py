"""Thefts of packages that happened, or that a registry's own documents describe: none may pass in silence.

What comes out of the project's own workflow by its own hands is beyond the evidence: the first Ultralytics releases
(poisoned cache) and packages that never had provenance (LiteLLM) look like honest ones, and no rule here sees them.
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
from tests.histories.ordinary import OURS

THIEVES = GitHub(repository="wednesday/widget", repository_id="9009", owner_id="909")

BEYOND_THE_EVIDENCE = (
    History(
        name="malware through a poisoned cache of the project's own workflow",
        source="https://github.com/ultralytics/ultralytics/issues/18027 (8.3.41)",
        uploads=(*attested("8.3.39", "8.3.40", by=OURS), Upload("8.3.41", OURS)),
        ecosystems=PYPI,
    ),
    History(
        name="a stolen token of a project that never had provenance",
        source="https://github.com/BerriAI/litellm/issues/24518 (1.82.7)",
        uploads=(Upload("1.82.6", None, OLD_DAYS), Upload("1.82.7")),
        ecosystems=PYPI,
    ),
)

STOLEN_TOKENS = (
    History(
        name="a token left over from before trusted publishing",
        source="https://github.com/pypi/warehouse/pull/17266 (Ultralytics 8.3.45 and 8.3.46)",
        uploads=(*attested("8.3.43", "8.3.44", by=OURS, days_ago=3), Upload("8.3.45")),
        found=("provenance-stripped:block",),
        says=("8.3.44",),
        attack=True,
    ),
    History(
        name="a token left over from before, and the lockfile names the release",
        source="https://github.com/pypi/warehouse/pull/17266 (Ultralytics 8.3.45 and 8.3.46)",
        uploads=(*attested("8.3.43", "8.3.44", by=OURS, days_ago=3), Upload("8.3.45")),
        is_locked=True,
        found=("provenance-stripped:warn",),
        attack=True,
    ),
    History(
        name="a token left over from before trusted publishing, with guard.lock",
        source="https://github.com/pypi/warehouse/pull/17266 (Ultralytics 8.3.45 and 8.3.46)",
        uploads=(*attested("8.3.43", "8.3.44", by=OURS, days_ago=3), Upload("8.3.45")),
        lock="8.3.43",
        is_locked=True,
        found=("provenance-stripped:block",),
        says=("guard.lock",),
        attack=True,
    ),
    History(
        name="a maintainer's machine publishes by itself",
        source="https://github.com/axios/axios/issues/10636 (1.14.1); https://github.com/npm/cli/issues/9242",
        uploads=(*attested("1.13.0", "1.14.0", by=OURS), Upload("1.14.1")),
        found=("provenance-stripped:block",),
        says=("1.14.0",),
        attack=True,
        ecosystems=NPM,
    ),
    History(
        name="the next minor without provenance",
        source="https://github.com/nrwl/nx/issues/32522 (21.5.0 to 21.8.0)",
        uploads=(*attested("21.4.0", "21.4.1", by=OURS), Upload("21.5.0")),
        found=("provenance-stripped:block",),
        attack=True,
        ecosystems=NPM,
    ),
    History(
        name="the next minor of the line before, without provenance",
        source="https://github.com/nrwl/nx/issues/32522 (20.9.0 to 20.12.0)",
        uploads=(*attested("20.8.2", "21.4.1", by=OURS), Upload("20.9.0")),
        found=("provenance-stripped:block",),
        says=("20.8.2",),
        attack=True,
        ecosystems=NPM,
    ),
    History(
        name="a publish by hand looks the same: token after trusted publishing",
        source="https://github.com/mcollina/fastq/issues/109 (1.20.2)",
        uploads=(*attested("1.20.0", "1.20.1", by=OURS), Upload("1.20.2")),
        found=("provenance-stripped:block",),
        says=("1.20.1",),
        attack=True,
    ),
    History(
        name="an oversight looks the same, too: the release after has provenance again",
        source="https://github.com/novuhq/novu/issues/11933 (2.12.0)",
        uploads=(*attested("2.11.0", "2.11.1", by=OURS), Upload("2.12.0")),
        found=("provenance-stripped:block",),
        attack=True,
    ),
    History(
        name="the next major without provenance",
        source="https://github.com/scaleway/scaleway-lib/issues/3326 (3.0.0)",
        uploads=(*attested("2.2.6", by=OURS), Upload("3.0.0")),
        found=("provenance-stripped:warn",),
        says=("2.2.6",),
        attack=True,
    ),
    History(
        name="the next major without provenance, with guard.lock",
        source="https://github.com/scaleway/scaleway-lib/issues/3326 (3.0.0)",
        uploads=(*attested("2.2.6", by=OURS), Upload("3.0.0")),
        lock="2.2.6",
        found=("provenance-stripped:block",),
        attack=True,
    ),
    History(
        name="a patch in a line of 0.x",
        source="https://github.com/jagreehal/ai-sdk-ollama/issues/984, in a line of 0.x",
        uploads=(*attested("0.5.0", by=OURS), Upload("0.5.1")),
        found=("provenance-stripped:block",),
        attack=True,
    ),
    History(
        name="the first release of a year, of a project with calendar versions",
        source="recorded: abi3info 2024.10.8; amendment 12: calendar versions have no useful major",
        uploads=(*attested("2024.10.3", "2024.10.8", by=OURS), Upload("2025.1.2")),
        found=("provenance-stripped:block",),
        says=("2024.10.8",),
        attack=True,
    ),
    History(
        name="a release candidate after attested ones",
        source="https://github.com/dmwm/WMCore/issues/12179 (2.3.8rc1 to rc4)",
        uploads=(*attested("2.3.8rc1", "2.3.8rc2", by=OURS), Upload("2.3.8rc3")),
        found=("provenance-stripped:block",),
        attack=True,
        ecosystems=PYPI,
    ),
    History(
        name="a wheel that replaces the one that others would get",
        source="https://blog.pypi.org/posts/2024-12-11-ultralytics-attack-analysis/ (files without attestations)",
        uploads=(
            *attested("1.0.0", by=OURS, file="sdist"),
            *attested("1.0.0", by=OURS, file="manylinux_2_17_x86_64"),
            Upload("1.1.0", OURS, 2, "sdist"),
            Upload("1.1.0", None, FRESH_DAYS, "manylinux_2_28_x86_64"),
        ),
        found=("provenance-stripped:block",),
        attack=True,
        ecosystems=PYPI,
    ),
    History(
        name="the registry says that it was published, and nobody says how it was built",
        source="https://github.com/npm/attestation/tree/main/specs/publish/v0.1",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", publish_only=True)),
        found=("provenance-stripped:block",),
        attack=True,
        ecosystems=NPM,
    ),
    History(
        name="published by the registry only, with guard.lock, long ago",
        source="https://github.com/npm/attestation/tree/main/specs/publish/v0.1",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", None, OLD_DAYS, publish_only=True)),
        lock="1.0.0",
        found=("provenance-stripped:block",),
        attack=True,
        ecosystems=NPM,
    ),
)

OTHER_PUBLISHERS = (
    History(
        name="a stolen token with provenance from the thief's own repository",
        source="https://github.com/expressjs/discussions/issues/268 (any workflow gives full provenance)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", THIEVES)),
        found=("identity-changed:block",),
        says=("repository-id", "1.0.0"),
        attack=True,
    ),
    History(
        name="provenance from the thief's repository, with guard.lock, long ago",
        source="https://github.com/expressjs/discussions/issues/268 (any workflow gives full provenance)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", THIEVES, OLD_DAYS)),
        lock="1.0.0",
        is_locked=True,
        found=("identity-changed:block",),
        says=("guard.lock",),
        attack=True,
    ),
    History(
        name="provenance from the thief's repository, as the next major",
        source="https://github.com/expressjs/discussions/issues/268 (any workflow gives full provenance)",
        uploads=(*attested("1.0.0", by=OURS), Upload("2.0.0", THIEVES)),
        found=("identity-changed:warn",),
        attack=True,
    ),
    History(
        name="provenance from the thief's repository, as the next major, with guard.lock",
        source="https://github.com/expressjs/discussions/issues/268 (any workflow gives full provenance)",
        uploads=(*attested("1.0.0", by=OURS), Upload("2.0.0", THIEVES)),
        lock="1.0.0",
        found=("identity-changed:block",),
        attack=True,
    ),
    History(
        name="a deleted repository is created anew under its name",
        source="https://docs.pypi.org/trusted-publishers/security-model/ (account resurrection)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitHub(repository_id="7007", owner_id="707"))),
        found=("identity-changed:block",),
        says=("created anew",),
        attack=True,
    ),
    History(
        name="a repository created anew, with guard.lock",
        source="https://docs.pypi.org/trusted-publishers/security-model/ (account resurrection)",
        uploads=(*attested("1.0.0", by=OURS), Upload("1.1.0", GitHub(repository_id="7007", owner_id="707"))),
        lock="1.0.0",
        found=("identity-changed:block",),
        says=("created anew", "guard.lock"),
        attack=True,
    ),
    History(
        name="published from a fork",
        source="https://docs.npmjs.com/generating-provenance-statements (which repository a package was built in)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(repository="mallory/widget", repository_id="8008", owner_id="808")),
        ),
        lock="1.0.0",
        found=("identity-changed:block",),
        attack=True,
    ),
    History(
        name="another project of the same CircleCI organisation",
        source="https://github.com/pypi/warehouse/pull/19309",
        uploads=(
            *attested("1.0.0", by=CircleCI()),
            Upload("1.1.0", CircleCI(project="00000000-0000-4000-8000-000000000000")),
        ),
        lock="1.0.0",
        found=("identity-changed:block",),
        attack=True,
        ecosystems=PYPI,
    ),
    History(
        name="another service account",
        source="https://github.com/pypi/warehouse/issues/18004",
        uploads=(
            *attested("1.0.0", by=Person(address="publisher@acme.iam.gserviceaccount.com")),
            Upload("1.1.0", Person(address="publisher@acme-prod.iam.gserviceaccount.com")),
        ),
        lock="1.0.0",
        found=("identity-changed:block",),
        attack=True,
        ecosystems=PYPI,
    ),
    History(
        name="another GitLab project under the old path",
        source="https://docs.gitlab.com/user/project/working_with_projects/ (paths become free)",
        uploads=(*attested("1.0.0", by=GitLab()), Upload("1.1.0", GitLab(project_id="4004"))),
        lock="1.0.0",
        found=("identity-changed:block",),
        says=("created anew",),
        attack=True,
        ecosystems=PYPI,
    ),
    History(
        name="the thief's reusable workflow signs for the project",
        source="https://github.com/pypi/warehouse/issues/11096 (who signs is not whose workflow runs)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(reusable="wednesday/kit/.github/workflows/x.yml@refs/heads/main")),
        ),
        found=("identity-changed:block",),
        says=("signer",),
        attack=True,
    ),
    History(
        name="an added workflow of the project publishes",
        source="https://github.com/asyncapi/website/pull/4640 (Shai-Hulud adds workflows to repositories)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(workflow=".github/workflows/shai-hulud-workflow.yml", ref="refs/heads/shai-hulud")),
        ),
        lock="1.0.0",
        found=("identity-drift:warn",),
        says=("shai-hulud",),
        attack=True,
    ),
    History(
        name="an added workflow of the project publishes, where workflow and ref are hard facts",
        source="https://github.com/asyncapi/website/pull/4640 (Shai-Hulud adds workflows to repositories)",
        uploads=(
            *attested("1.0.0", by=OURS),
            Upload("1.1.0", GitHub(workflow=".github/workflows/shai-hulud-workflow.yml", ref="refs/heads/shai-hulud")),
        ),
        lock="1.0.0",
        policy=("[policy]", 'identity-strict = ["workflow", "ref"]'),
        found=("identity-changed:block",),
        says=("shai-hulud",),
        attack=True,
    ),
)

ATTACKS = STOLEN_TOKENS + OTHER_PUBLISHERS
HISTORIES = BEYOND_THE_EVIDENCE + ATTACKS
