"""What is allowed and what is refused for its bytes and its provenance, with the real pip."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.audit_stage import pylock
from tests.e2e.conftest import OLDEST_PIP, Environment
from tests.e2e.refusals import install_refused, lock_publisher
from tests.sim.documents import JsonObject
from tests.sim.packages import make_sdist, make_wheel
from tests.sim.pep740 import provenance, publish_statement, publisher_of
from tests.sim.pypi import Fault
from tests.sim.sigstore import Defect, MintingSigstore
from tests.sim.world import World, maintainer_of

WHEEL = "widget-1.0.0-py3-none-any.whl"
REQUIRED = 'version = 1\n[policy]\nprovenance = "required"\n'


@pytest.fixture
def oldest(target: Environment, make_environment: Callable[..., Environment]) -> Environment:
    """An environment with the oldest pip, otherwise like ``target``."""
    environment = make_environment("oldest", OLDEST_PIP)
    environment.index_url, environment.trust_root = target.index_url, target.trust_root
    return environment


def policy(folder: Path, text: str) -> tuple[str, str]:
    """Write a policy and return the options that name it."""
    path = folder / "ci-guard.toml"
    path.write_text(text)
    return "--policy", str(path)


def pin(repository: str) -> str:
    return f'version = 1\n[[package]]\nname = "pypi:widget"\n[[package.identity]]\nrepository = "{repository}"\n'


def publish_statement_of_somebody(world: World, statement: JsonObject) -> None:
    """Publish widget 1.0.0 with a valid signature, of its maintainer, over any statement."""
    identity = maintainer_of("widget")
    attestation = world.sigstore.attest(statement, identity)
    filename, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content, provenance=provenance([(publisher_of(identity), [attestation])]))


def with_last_bit_flipped(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def states(report: dict[str, object]) -> dict[str, str]:
    artifacts = report["artifacts"]
    assert isinstance(artifacts, list)
    return {artifact["name"]: artifact["provenance"] for artifact in artifacts}


def test_wheels_and_sdists_with_and_without_provenance_are_installed(target: Environment, world: World) -> None:
    world.publish("signed-wheel", "1.0.0")
    world.publish("plain-wheel", "1.0.0", attested=False)
    for name, attested in (("signed-sdist", True), ("plain-sdist", False)):
        filename, content = make_sdist(name, "1.0.0")
        world.upload(filename, content, identity=maintainer_of(name), attested=attested)
    result = target.install("signed-wheel", "plain-wheel", "signed-sdist", "plain-sdist")
    assert (result.status, result.report["verdict"]) == (0, "allow"), result.stderr
    assert states(result.report) == {
        "signed-wheel": "verified",
        "plain-wheel": "absent",
        "signed-sdist": "verified",
        "plain-sdist": "absent",
    }
    assert set(target.installed()) == {"signed_wheel", "plain_wheel", "signed_sdist", "plain_sdist"}
    assert result.rules("block", "undecided", "warn") == set()


def test_the_pinned_repository_is_allowed(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    result = target.install("widget", options=policy(tmp_path, pin("https://github.com/acme/widget")))
    assert result.status == 0, result.stderr
    assert target.installed() == {"widget": "1.0.0"}


def test_provenance_that_is_required_and_there_is_allowed(oldest: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    assert oldest.install("widget", options=policy(tmp_path, REQUIRED)).status == 0
    assert oldest.installed() == {"widget": "1.0.0"}


def test_other_bytes_than_the_index_lists(oldest: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content, served=with_last_bit_flipped(content))
    install_refused(oldest, "widget", rules={"hash-mismatch"})


def test_other_bytes_than_were_attested(target: Environment, world: World) -> None:
    published = world.publish("widget", "1.0.0")
    served = with_last_bit_flipped(published.content)
    world.pypi.add(WHEEL, published.content, provenance=published.provenance, served=served)
    result = install_refused(target, "widget", rules={"hash-mismatch", "statement-mismatch"})
    assert f"lists sha256:{published.sha256}" in result.stderr


def test_more_bytes_than_the_index_says(target: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    world.pypi.add(filename, content, served=content + bytes(10_000_000))
    result = install_refused(target, "widget", rules={"hash-mismatch"})
    assert f"is not {len(content)} bytes long" in result.stderr


@pytest.mark.campaign(2)
@pytest.mark.parametrize(
    "defect",
    [
        Defect.FOREIGN_CA,
        Defect.FORGED_SCT,
        Defect.PAYLOAD_SWAPPED,
        Defect.SIGNATURE_CORRUPT,
        Defect.SET_CORRUPT,
        Defect.MERKLE_CORRUPT,
        Defect.CHECKPOINT_OF_OTHER_TREE,
        Defect.ENTRY_OF_OTHER_BUNDLE,
    ],
)
def test_provenance_that_does_not_verify(target: Environment, world: World, defect: Defect) -> None:
    world.publish("widget", "1.0.0", defect=defect)
    result = install_refused(target, "widget", rules={"provenance-invalid"})
    assert states(result.report) == {"widget": "invalid"}


def test_provenance_of_another_sigstore(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0")
    target.trust_root = tmp_path / "stranger.json"
    target.trust_root.write_bytes(MintingSigstore().trusted_root_json())
    install_refused(target, "widget", rules={"provenance-invalid"})


def test_provenance_of_another_repository(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0", identity=maintainer_of("evil"))
    options = policy(tmp_path, pin("https://github.com/acme/widget"))
    result = install_refused(target, "widget", rules={"identity-mismatch"}, options=options)
    assert "https://github.com/acme/evil" in result.stderr


def test_provenance_of_another_file(target: Environment, world: World) -> None:
    _, content = make_wheel("widget", "1.0.0")
    publish_statement_of_somebody(world, publish_statement("widget-1.0.0-py2-none-any.whl", content))
    install_refused(target, "widget", rules={"statement-mismatch"})


def test_provenance_of_another_release(target: Environment, world: World) -> None:
    older = world.publish("widget", "0.9.0")
    world.pypi.add(*make_wheel("widget", "1.0.0"), provenance=older.provenance)
    install_refused(target, "widget", rules={"statement-mismatch"})


def test_provenance_of_other_bytes(target: Environment, world: World) -> None:
    publish_statement_of_somebody(world, publish_statement(WHEEL, b"other bytes"))
    install_refused(target, "widget", rules={"statement-mismatch"})


def test_provenance_whose_publisher_is_not_in_the_certificate(target: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    attestation = world.sigstore.attest(publish_statement(filename, content), maintainer_of("evil"))
    document = provenance([(publisher_of(maintainer_of("widget")), [attestation])])
    world.pypi.add(filename, content, provenance=document)
    install_refused(target, "widget", rules={"statement-mismatch"})


def test_one_bad_attestation_beside_a_good_one(target: Environment, world: World) -> None:
    filename, content = make_wheel("widget", "1.0.0")
    identity, statement = maintainer_of("widget"), publish_statement(filename, content)
    good = world.sigstore.attest(statement, identity)
    bad = world.sigstore.attest(statement, identity, defect=Defect.SIGNATURE_CORRUPT)
    world.pypi.add(filename, content, provenance=provenance([(publisher_of(identity), [good, bad])]))
    install_refused(target, "widget", rules={"provenance-invalid"})


def test_a_dependency_is_decided_like_what_was_typed(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", requires=["gear", "cog"])
    world.publish("gear", "1.0.0", requires=["cog"])
    world.publish("cog", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    install_refused(target, "widget", rules={"provenance-invalid"})


def test_provenance_that_is_required_and_absent(oldest: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0", attested=False)
    install_refused(oldest, "widget", rules={"provenance-missing"}, options=policy(tmp_path, REQUIRED))


def test_a_pinned_publisher_and_no_provenance(target: Environment, world: World, tmp_path: Path) -> None:
    world.publish("widget", "1.0.0", attested=False)
    options = policy(tmp_path, pin("https://github.com/acme/widget"))
    install_refused(target, "widget", rules={"provenance-missing"}, options=options)


def test_a_publisher_that_guard_lock_does_not_record(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    own = maintainer_of("widget").source_repository_identifier or ""
    for repository_id, status in (("9", 10), (own, 0)):
        lock_publisher(target.project, "pypi:widget", repository_id=repository_id, digest=f"sha256:{'a' * 64}")
        if status:
            result = install_refused(target, "widget", rules={"identity-changed"})
            assert "the repository was created anew under its name" in result.stderr
        else:
            assert target.install("widget").status == 0
    world.publish("widget", "1.1.0", attested=False, provenance_flag=False)
    install_refused(target, "widget==1.1.0", rules={"provenance-stripped"})


def test_provenance_that_is_promised_and_not_there(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", attested=False, provenance_flag=True)
    result = install_refused(target, "widget", rules={"provenance-stripped"})
    assert states(result.report) == {"widget": "stripped"}


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.FORBIDDEN, Fault.TRUNCATE])
def test_provenance_that_cannot_be_had(target: Environment, world: World, fault: Fault) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("provenance", fault)
    result = install_refused(target, "widget", rules={"provenance-unavailable"}, status=11)
    assert states(result.report) == {"widget": "unavailable"}


@pytest.mark.parametrize("fault", [Fault.SERVER_ERROR, Fault.FORBIDDEN])
def test_an_index_that_cannot_be_asked(target: Environment, world: World, fault: Fault) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("page", fault)
    result = install_refused(target, "widget", rules={"registry-unavailable"}, status=11)
    assert f"{world.pypi.simple_url}/widget/" in result.stderr


def test_an_index_that_cannot_be_asked_about_a_dependency(oldest: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", requires=["gear"])
    world.publish("gear", "1.0.0")
    world.pypi.fault("page", Fault.FORBIDDEN, name="gear")
    install_refused(oldest, "widget", rules={"registry-unavailable"}, status=11)


def test_a_file_that_ends_early(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0")
    world.pypi.fault("file", Fault.TRUNCATE)
    result = install_refused(target, "widget", rules={"registry-unavailable"}, status=11)
    assert "ended before its last byte" in result.stderr


def test_what_is_blocked_wins_over_what_is_undecided(target: Environment, world: World) -> None:
    world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    world.publish("gear", "1.0.0")
    world.pypi.fault("provenance", Fault.FORBIDDEN, name="gear-1.0.0-py3-none-any.whl")
    requirements = target.project / "requirements.txt"
    requirements.write_text("gear\nwidget\n")
    install_refused(target, "-r", "requirements.txt", rules={"provenance-invalid"})


@pytest.mark.parametrize(
    ("version", "repository", "status"), [("1.1", "acme/widget", 0), ("1.0", "somebody/widget", 10)]
)
def test_publishers_that_a_pylock_names_are_pins_of_an_installation(
    target: Environment, world: World, version: str, repository: str, status: int
) -> None:
    widget = world.publish("widget", "1.0.0")
    publisher = f'{{ kind = "GitHub", repository = "{repository}", workflow = "release.yml" }}'
    text = pylock(widget, url=f"{world.pypi.files_url}/packages")
    text = text.replace('lock-version = "1.0"', f'lock-version = "{version}"')
    (target.project / "pylock.toml").write_text(f"{text}attestation-identities = [{publisher}]\n")
    result = target.install("-r", "pylock.toml")
    assert result.status == status, result.stderr
    assert result.rules("block") == ({"identity-mismatch"} if status else set())
    assert ("lock-entry-unreadable" in result.rules("note")) == (version == "1.1")
    assert target.installed() == ({} if status else {"widget": "1.0.0"})
