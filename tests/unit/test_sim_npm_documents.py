"""npm's evidence as the world mints it, before the verifier that the real npm carries."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest
import requests

from tests.e2e.npm_environment import NpmEnvironment, NpmTools, make_npm
from tests.sim.documents import JsonObject
from tests.sim.identity import Identity
from tests.sim.npm import NpmSimulator
from tests.sim.npm_documents import (
    PUBLISH_PREDICATE,
    SLSA_PREDICATE,
    RegistryKey,
    keys_document,
    provenance_statement,
    publish_statement,
)
from tests.sim.npm_packages import make_tarball
from tests.sim.sigstore import BUNDLE_V0_2, BUNDLE_V0_3, Defect, EntryKind, MintingSigstore
from tests.sim.world import World, maintainer_of

_STATEMENT = publish_statement("widget", "1.0.0", b"content", "https://registry.example.test")
# npm takes Sigstore's root from the network (@sigstore/tuf). This puts the world's in its place, and says that no keys
# of registries are there, so that npm asks the registry for them (npm lib/utils/verify-signatures.js, `setKeys`).
_TUF_IN_A_FILE = """
const Module = require('node:module')
const { readFileSync } = require('node:fs')
const load = Module._load
Module._load = function (request, parent, ...rest) {
  if (request !== '@sigstore/tuf') return load.call(this, request, parent, ...rest)
  const { TrustedRoot } = load.call(this, '@sigstore/protobuf-specs', parent)
  const missing = Object.assign(new Error('no such target'), { code: 'TUF_FIND_TARGET_ERROR' })
  return {
    TUFError: Error,
    initTUF: async () => ({ getTarget: () => Promise.reject(missing) }),
    getTrustedRoot: async () => TrustedRoot.fromJSON(JSON.parse(readFileSync(process.env.TRUSTED_ROOT))),
  }
}
"""
_VERIFY_EACH = """
const sigstore = require(process.argv[1])
const { bundles, key } = JSON.parse(require('node:fs').readFileSync(0))
const verify = bundle => sigstore.verify(bundle, { keySelector: () => key }).then(() => null, error => error.message)
Promise.all(bundles.map(verify)).then(results => console.log(JSON.stringify(results)))
"""
_REFUSED_BY_SIGSTORE_JS = (
    Defect.PAYLOAD_SWAPPED,
    Defect.SIGNATURE_CORRUPT,
    Defect.NO_LOG_ENTRY,
    Defect.SET_CORRUPT,
    Defect.ENTRY_OF_OTHER_BUNDLE,
    Defect.ENTRY_PAYLOAD_DIFFERS,
    Defect.ENTRY_SIGNATURE_DIFFERS,
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def environment(world: World, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> NpmEnvironment:
    tools = NpmTools(tmp_path_factory.getbasetemp() / "npm-tools")
    environment = make_npm(tmp_path / "npm", tools, registry=world.npm.url)
    stub = tmp_path / "tuf-in-a-file.js"
    stub.write_text(_TUF_IN_A_FILE)
    environment.variables |= {"NODE_OPTIONS": f"--require={stub}", "TRUSTED_ROOT": str(world.trusted_root_path)}
    return environment


def _audit_signatures(environment: NpmEnvironment, *names: str) -> JsonObject:
    environment.manifest(dependencies=dict.fromkeys(names, "*"))
    assert environment.npm("install", "--no-audit").status == 0
    result = environment.npm("audit", "signatures", "--json", "--include-attestations")
    report: JsonObject = json.loads(result.stdout)
    return report


def _payload(bundle: JsonObject) -> JsonObject:
    statement: JsonObject = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    return statement


@pytest.mark.e2e
def test_npm_accepts_registry_signatures_and_attestations(world: World, environment: NpmEnvironment) -> None:
    world.publish_npm("@acme/widget", "1.0.0", attested=True)
    world.publish_npm("gear", "1.0.0", attested=True, entry_kind=EntryKind.INTOTO)
    world.publish_npm("plain", "1.0.0")
    world.publish_npm("unsigned", "1.0.0", signed=False)
    report = _audit_signatures(environment, "@acme/widget", "gear", "plain", "unsigned")
    assert report["invalid"] == []
    assert [package["name"] for package in report["missing"]] == ["unsigned"]
    assert {package["name"] for package in report["verified"]} == {"@acme/widget", "gear"}


@pytest.mark.e2e
def test_npm_refuses_another_keys_signature_and_spoilt_provenance(world: World, environment: NpmEnvironment) -> None:
    stranger = RegistryKey().sign("widget", "1.0.0", world.publish_npm("widget", "1.0.0").integrity)
    world.publish_npm("widget", "1.0.0", signatures=[stranger | {"keyid": world.registry_key.keyid}])
    world.publish_npm("gear", "1.0.0", attested=True, defect=Defect.SIGNATURE_CORRUPT)
    report = _audit_signatures(environment, "widget", "gear")
    codes = {package["name"]: package["code"] for package in report["invalid"]}
    assert codes == {"widget": "EINTEGRITYSIGNATURE", "gear": "EATTESTATIONVERIFY"}


@pytest.mark.e2e
@pytest.mark.parametrize("entry_kind", EntryKind)
def test_key_signed_bundles_are_refused_for_their_defect(
    world: World, environment: NpmEnvironment, entry_kind: EntryKind
) -> None:
    pair = world.registry_key.pair
    defects = (None, *_REFUSED_BY_SIGSTORE_JS)
    bundles = [world.sigstore.key_bundle(_STATEMENT, pair, defect=d, entry_kind=entry_kind) for d in defects]
    newer = world.sigstore.key_bundle(_STATEMENT, pair, media_type=BUNDLE_V0_3, entry_kind=entry_kind)
    asked = environment.root / "bundles.json"
    asked.write_text(json.dumps({"bundles": [*bundles, newer], "key": pair.pem.decode()}))
    sigstore = environment.global_folder / "node_modules/npm/node_modules/sigstore"
    command = 'exec node --eval "$1" "$2" < "$3"'
    result = environment.run("sh", "-c", command, "sh", _VERIFY_EACH, str(sigstore), str(asked))
    whole, *spoilt, also_whole = json.loads(result.stdout)
    assert (whole, also_whole) == (None, None)
    assert all(spoilt), dict(zip(_REFUSED_BY_SIGSTORE_JS, spoilt, strict=True))


def test_a_key_signed_bundle_has_the_shape_of_recorded_ones() -> None:
    key = RegistryKey()
    bundle = MintingSigstore().key_bundle(_STATEMENT, key.pair)
    assert bundle["mediaType"] == BUNDLE_V0_2
    assert bundle["verificationMaterial"]["publicKey"] == {"hint": key.keyid}
    assert bundle["dsseEnvelope"]["signatures"][0]["keyid"] == key.keyid
    [entry] = bundle["verificationMaterial"]["tlogEntries"]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    assert base64.b64decode(body["spec"]["signatures"][0]["verifier"]) == key.pair.pem


def test_the_intoto_entry_of_a_key_names_it() -> None:
    key = RegistryKey()
    bundle = MintingSigstore().key_bundle(_STATEMENT, key.pair, entry_kind=EntryKind.INTOTO)
    [entry] = bundle["verificationMaterial"]["tlogEntries"]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    [signature] = body["spec"]["content"]["envelope"]["signatures"]
    assert {*signature} == {"keyid", "publicKey", "sig"}
    assert signature["keyid"] == key.keyid


def test_a_key_has_no_defects_of_a_certificate() -> None:
    with pytest.raises(ValueError, match="needs a certificate"):
        MintingSigstore().key_bundle(_STATEMENT, RegistryKey().pair, defect=Defect.NO_SCT)


def test_another_key_can_stand_in_the_log_entry() -> None:
    key = RegistryKey()
    bundle = MintingSigstore().key_bundle(_STATEMENT, key.pair, defect=Defect.ENTRY_CERTIFICATE_DIFFERS)
    [entry] = bundle["verificationMaterial"]["tlogEntries"]
    body = json.loads(base64.b64decode(entry["canonicalizedBody"]))
    assert base64.b64decode(body["spec"]["signatures"][0]["verifier"]) != key.pair.pem


def test_keys_are_described_as_npm_describes_them() -> None:
    old, new = RegistryKey(datetime(2025, 1, 29, tzinfo=timezone.utc)), RegistryKey()
    first, second = keys_document([old, new])["keys"]
    assert first["expires"] == "2025-01-29T00:00:00.000Z"
    assert second["expires"] is None
    der = base64.b64decode(second["key"])
    assert second["keyid"] == "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")
    assert second["keytype"] == second["scheme"] == "ecdsa-sha2-nistp256"


def test_the_publish_statement_has_the_fields_of_recorded_ones() -> None:
    assert publish_statement("@acme/widget", "1.0.0", b"content", "https://registry.example.test") == {
        "_type": "https://in-toto.io/Statement/v0.1",
        "subject": [
            {"name": "pkg:npm/%40acme/widget@1.0.0", "digest": {"sha512": hashlib.sha512(b"content").hexdigest()}}
        ],
        "predicateType": PUBLISH_PREDICATE,
        "predicate": {"name": "@acme/widget", "version": "1.0.0", "registry": "https://registry.example.test"},
    }


def test_the_provenance_statement_agrees_with_the_certificate() -> None:
    identity = Identity.github(workflow=".github/workflows/publish.yml", trigger="release")
    statement = provenance_statement("widget", "1.0.0", b"content", identity)
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == SLSA_PREDICATE
    repository, ref = "https://github.com/acme/widget", "refs/tags/v1.0.0"
    assert statement["predicate"] == {
        "buildDefinition": {
            "buildType": "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1",
            "externalParameters": {
                "workflow": {"ref": ref, "repository": repository, "path": ".github/workflows/publish.yml"}
            },
            "internalParameters": {
                "github": {"event_name": "release", "repository_id": "1001", "repository_owner_id": "501"}
            },
            "resolvedDependencies": [
                {
                    "uri": f"git+{repository}@{ref}",
                    "digest": {"gitCommit": identity.source_repository_digest},
                }
            ],
        },
        "runDetails": {
            "builder": {"id": "https://github.com/actions/runner/github-hosted"},
            "metadata": {"invocationId": identity.run_invocation_uri},
        },
    }


def test_a_published_version_is_served_with_what_was_made_for_it(world: World) -> None:
    published = world.publish_npm("@acme/widget", "1.0.0", dependencies={"gear": "^1"}, attested=True)
    assert published.identity == maintainer_of("@acme/widget")
    with requests.Session() as session:
        session.trust_env = False
        listed = session.get(f"{world.npm.url}@acme%2fwidget/1.0.0", timeout=60).json()
        assert listed["dist"]["integrity"] == published.integrity
        assert session.get(listed["dist"]["tarball"], timeout=60).content == published.content
        document = session.get(listed["dist"]["attestations"]["url"], timeout=60).json()
    assert document == published.attestations
    types = [entry["predicateType"] for entry in document["attestations"]]
    assert types == [_payload(entry["bundle"])["predicateType"] for entry in document["attestations"]]
    assert types == [PUBLISH_PREDICATE, SLSA_PREDICATE]
    media_types = [entry["bundle"]["mediaType"] for entry in document["attestations"]]
    assert media_types == [BUNDLE_V0_2, BUNDLE_V0_3]


def test_evidence_that_is_given_replaces_what_would_be_made(world: World) -> None:
    world.publish_npm("widget", "1.0.0", attested=True, attestations=b"not json", signatures=None)
    with requests.Session() as session:
        session.trust_env = False
        dist = session.get(f"{world.npm.url}widget/1.0.0", timeout=60).json()["dist"]
        assert "signatures" not in dist
        assert session.get(dist["attestations"]["url"], timeout=60).content == b"not json"


def test_a_version_can_go_to_another_registry(world: World) -> None:
    with NpmSimulator() as other:
        published = world.upload_npm(make_tarball("widget", "1.0.0"), attested=True, registry=other)
        [publish, _] = (published.attestations or {})["attestations"]
        assert _payload(publish["bundle"])["predicate"]["registry"] == other.base_url


def test_a_scope_is_an_owner() -> None:
    scoped, plain, acme = maintainer_of("@other/widget"), maintainer_of("widget"), maintainer_of("@acme/gear")
    assert scoped.source_repository_uri == "https://github.com/other/widget"
    assert plain.source_repository_uri == "https://github.com/acme/widget"
    assert scoped.source_repository_identifier != plain.source_repository_identifier
    assert scoped.source_repository_owner_identifier != plain.source_repository_owner_identifier
    assert acme.source_repository_owner_identifier == plain.source_repository_owner_identifier
