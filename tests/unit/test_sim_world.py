"""The simulators together: what the index names is what the real verifier accepts for the file that is served."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests
from sigstore.errors import Error
from sigstore.models import Bundle, TrustedRoot
from sigstore.verify import Verifier, policy

from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.packages import make_sdist
from tests.sim.pages import SIMPLE_JSON
from tests.sim.pep740 import PUBLISH_PREDICATE, SLSA_PREDICATE, publisher_of, slsa_statement
from tests.sim.sigstore import BUNDLE_V0_3, Defect
from tests.sim.world import World, maintainer_of

_REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


def _fetch_entry(world: World, project: str) -> JsonObject:
    with requests.Session() as session:
        session.trust_env = False
        page = session.get(f"{world.pypi.simple_url}/{project}/", headers={"Accept": SIMPLE_JSON}, timeout=60).json()
        [entry] = page["files"]
        entry["content"] = session.get(entry["url"], timeout=60).content
        if entry["provenance"]:
            entry["provenance"] = session.get(entry["provenance"], timeout=60).json()
        return dict(entry)


def _verified_statement(world: World, attestation: JsonObject) -> JsonObject:
    material, envelope = attestation["verification_material"], attestation["envelope"]
    bundle = {
        "mediaType": BUNDLE_V0_3,
        "verificationMaterial": {
            "certificate": {"rawBytes": material["certificate"]},
            "tlogEntries": material["transparency_entries"],
        },
        "dsseEnvelope": {
            "payload": envelope["statement"],
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": envelope["signature"], "keyid": ""}],
        },
    }
    verifier = Verifier(trusted_root=TrustedRoot.from_file(str(world.trusted_root_path)))
    github = policy.OIDCIssuerV2("https://token.actions.githubusercontent.com")
    _, payload = verifier.verify_dsse(Bundle.from_json(json.dumps(bundle)), github)
    statement: JsonObject = json.loads(payload)
    return statement


def test_a_published_wheel_has_provenance_that_verifies_and_names_its_bytes(world: World) -> None:
    published = world.publish("Acme.Widget", "1.0.0")
    entry = _fetch_entry(world, "acme-widget")
    assert entry["content"] == published.content
    [bundle] = entry["provenance"]["attestation_bundles"]
    [attestation] = bundle["attestations"]
    statement = _verified_statement(world, attestation)
    assert statement["predicateType"] == PUBLISH_PREDICATE
    assert statement["predicate"] is None
    assert statement["subject"] == [{"name": published.filename, "digest": {"sha256": published.sha256}}]
    assert bundle["publisher"] == publisher_of(maintainer_of("acme-widget"))
    assert entry["provenance"] == published.provenance


def test_without_attestation_there_is_no_provenance(world: World) -> None:
    published = world.publish("widget", "1.0.0", attested=False)
    assert published.provenance is None
    assert published.identity is None
    assert _fetch_entry(world, "widget")["provenance"] is None


def test_a_defect_reaches_the_registry(world: World) -> None:
    world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    [bundle] = _fetch_entry(world, "widget")["provenance"]["attestation_bundles"]
    with pytest.raises(Error, match="signature"):
        _verified_statement(world, bundle["attestations"][0])


def test_an_sdist_is_uploaded_like_a_wheel_and_signed_when_it_was_uploaded(world: World) -> None:
    uploaded = datetime(2025, 3, 1, tzinfo=timezone.utc)
    world.upload(*make_sdist("widget", "1.0.0"), identity=maintainer_of("widget"), upload_time=uploaded, yanked="bad")
    entry = _fetch_entry(world, "widget")
    assert (entry["filename"], entry["yanked"]) == ("widget-1.0.0.tar.gz", "bad")
    [bundle] = entry["provenance"]["attestation_bundles"]
    [attestation] = bundle["attestations"]
    _verified_statement(world, attestation)
    [log_entry] = attestation["verification_material"]["transparency_entries"]
    assert 0 < uploaded.timestamp() - int(log_entry["integratedTime"]) < 120


def test_a_project_keeps_its_repository_over_its_releases() -> None:
    one, two, other = maintainer_of("widget", "1.0"), maintainer_of("Widget", "2.0"), maintainer_of("gear", "1.0")
    assert one.source_repository_identifier == two.source_repository_identifier
    assert one.source_repository_identifier != other.source_repository_identifier
    assert two.source_repository_ref == "refs/tags/v2.0"


@pytest.mark.parametrize(
    ("identity", "publisher"),
    [
        (
            Identity.github(environment="release"),
            {"kind": "GitHub", "repository": "acme/widget", "workflow": "release.yml", "environment": "release"},
        ),
        (
            Identity.github(reusable="ci/ci/.github/workflows/build.yml@refs/heads/main"),
            {"kind": "GitHub", "repository": "acme/widget", "workflow": "release.yml", "environment": None},
        ),
        (
            Identity.gitlab(),
            {
                "kind": "GitLab",
                "repository": "acme/widget",
                "workflow_filepath": ".gitlab-ci.yml",
                "environment": None,
            },
        ),
        (Identity.email("robot@acme.example"), {"kind": "Google", "email": "robot@acme.example"}),
    ],
    ids=["github", "github-reusable", "gitlab", "google"],
)
def test_the_publisher_object_of_each_issuer(identity: Identity, publisher: JsonObject) -> None:
    assert publisher_of(identity) == publisher | {"claims": None}


def test_an_slsa_statement_agrees_with_the_certificate(world: World) -> None:
    identity = Identity.github()
    statement = _verified_statement(world, world.sigstore.attest(slsa_statement("f.whl", b"x", identity), identity))
    workflow = statement["predicate"]["buildDefinition"]["externalParameters"]["workflow"]
    assert statement["predicateType"] == SLSA_PREDICATE
    assert workflow == {
        "ref": "refs/tags/v1.0.0",
        "repository": "https://github.com/acme/widget",
        "path": ".github/workflows/release.yml",
    }


def test_a_script_without_pytest_can_use_it(tmp_path: Path) -> None:
    script = (
        "import pathlib, sys\n"
        "from tests.sim.world import World\n"
        "with World(pathlib.Path(sys.argv[1])) as world:\n"
        "    print(world.publish('widget', '1.0.0').filename)\n"
        "assert not {'pytest', 'sigstore', 'guard'} & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    result = subprocess.run(command, cwd=_REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "widget-1.0.0-py3-none-any.whl\n", "")
