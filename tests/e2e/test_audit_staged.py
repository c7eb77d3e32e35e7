"""``guard audit --staged``: what is about to be committed is decided as git's index holds it, by the rules of HEAD."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.audit_stage import AuditStage, hashed, package_lock
from tests.e2e.test_audit_changes import STRICT, decided
from tests.sim.identity import Identity
from tests.sim.sigstore import Defect


def pinned(repository: str) -> str:
    return (
        'version = 1\n[[package]]\nname = "npm:widget"\n[[package.identity]]\n'
        f'repository = "https://github.com/{repository}"\n'
    )


def test_the_staged_content_is_judged_and_not_the_work_tree(stage: AuditStage) -> None:
    world = stage.world
    good, bad = world.publish("widget", "1.0.0"), world.publish("widget", "1.1.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", hashed(good))
    stage.commit()
    stage.write("requirements.txt", hashed(bad))
    assert stage.audit("--staged").status == 0  # nothing of it is staged
    stage.git("add", "requirements.txt")
    stage.write("requirements.txt", hashed(good))
    result = stage.audit("--staged")
    assert (result.status, decided(result.report)) == (10, ["widget 1.1.0"])
    assert stage.audit("--changed-since", "HEAD").status == 0
    stage.write("requirements.txt", "broken ==\n")
    assert stage.audit("--staged").status == 10
    stage.git("reset", "--quiet")
    result = stage.audit("--staged")
    assert (result.status, result.report["artifacts"]) == (0, [])


def test_head_says_who_may_publish_whatever_is_staged_together(stage: AuditStage) -> None:
    world = stage.world
    thief = Identity.github(repository="thief/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="667")
    old = world.publish_npm("widget", "1.0.0", attested=True)
    new = world.publish_npm("widget", "1.1.0", attested=True, identity=thief)
    stage.write("guard.toml", pinned("acme/widget"))
    stage.write("package-lock.json", package_lock(old, url=world.npm.url))
    stage.commit()
    stage.write("guard.toml", pinned("thief/widget"))
    stage.write("package-lock.json", package_lock(new, url=world.npm.url))
    stage.git("add", "--all")
    result = stage.audit("--staged")
    assert (result.status, result.rules("block")) == (10, {"identity-mismatch", "policy-loosened"})
    assert "publisher changed: widget@1.1.0" in result.stderr
    stage.git("restore", "--staged", "guard.toml")
    assert stage.audit("--staged").rules("block") == {"identity-mismatch"}


def test_a_looser_policy_alone_is_stopped_and_one_that_is_not_staged_is_no_matter(stage: AuditStage) -> None:
    stage.write("guard.toml", STRICT)
    stage.commit()
    stage.write("guard.toml", "version = 1\n")
    assert stage.audit("--staged").status == 0
    stage.git("add", "guard.toml")
    stage.write("guard.toml", STRICT)
    assert stage.audit("--staged").rules("block") == {"policy-loosened"}


def test_a_first_commit_is_judged_by_its_own_policy(stage: AuditStage) -> None:
    world = stage.world
    stage.git("init", "--quiet")
    stage.write("guard.toml", STRICT)
    stage.write("package-lock.json", package_lock(world.publish_npm("widget", "1.0.0"), url=world.npm.url))
    stage.write(".npmrc", f"registry={world.npm.url}\n")
    assert stage.audit("--staged").status == 0
    stage.git("add", "--all")
    result = stage.audit("--staged")
    assert (result.status, result.rules("block")) == (10, {"provenance-missing"})
    stage.write("guard.toml", 'version = 1\n[policy]\nhashes = "warn"\n')
    stage.git("add", "--all")
    assert stage.audit("--staged").status == 0


def test_what_an_unchanged_file_includes_is_judged_and_a_lock_that_stays_is_not_read(stage: AuditStage) -> None:
    world = stage.world
    good, bad = world.publish("widget", "1.0.0"), world.publish("widget", "1.1.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", "-r pins/base.in\n")
    stage.write("pins/base.in", hashed(good))
    stage.write("other/package-lock.json", "{")  # none, and no matter of a commit that does not touch it
    stage.write("dev/requirements.txt", "-r missing.txt\n")
    stage.commit()
    stage.write("pins/base.in", hashed(bad))
    stage.git("add", "--all")
    result = stage.audit("--staged")
    assert (result.status, decided(result.report)) == (10, ["widget 1.1.0"])
    stage.write("other/package-lock.json", "{{")
    stage.git("add", "--all")
    assert stage.audit("--staged").status == 2
    stage.git("restore", "--staged", "other")
    stage.git("rm", "--quiet", "--cached", "pins/base.in")
    assert stage.audit("--staged").status == 2  # the file that still includes it cannot be read any more


def test_other_registries_that_are_staged_make_everything_new(stage: AuditStage) -> None:
    world = stage.world
    widget = world.publish_npm("widget", "1.0.0")
    stage.write("package-lock.json", package_lock(widget, url=world.npm.url))
    stage.commit()
    stage.write(".npmrc", f"registry={world.npm.url}\n")
    assert stage.audit("--staged").status == 0  # the user's own, and not committed
    stage.git("add", ".npmrc")
    result = stage.audit("--staged")
    assert (result.rules("block"), decided(result.report)) == ({"policy-loosened"}, ["widget 1.0.0"])


def test_the_index_of_a_commit_of_single_files_is_judged(stage: AuditStage, monkeypatch: pytest.MonkeyPatch) -> None:
    world = stage.world
    good, bad = world.publish("widget", "1.0.0"), world.publish("widget", "1.1.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", hashed(good))
    stage.commit()
    stage.write("requirements.txt", hashed(bad))
    monkeypatch.setenv("GIT_INDEX_FILE", ".git/other-index")
    stage.git("read-tree", "HEAD")
    stage.git("add", "requirements.txt")
    assert stage.audit("--staged").status == 10
    monkeypatch.delenv("GIT_INDEX_FILE")
    assert stage.audit("--staged").status == 0


def test_a_merge_is_judged_against_head_and_one_that_is_not_resolved_is_refused(stage: AuditStage) -> None:
    world = stage.world
    one, two = world.publish("one", "1.0.0"), world.publish("two", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)
    stage.write("requirements.txt", hashed(one))
    stage.commit()
    stage.git("switch", "--quiet", "-c", "other")
    stage.write("requirements.txt", hashed(two))
    stage.commit()
    stage.git("switch", "--quiet", "-")
    stage.write("requirements.txt", hashed(one) + "# a remark\n")
    stage.commit()
    with pytest.raises(Exception, match="merge"):
        stage.git("merge", "--quiet", "other")
    result = stage.audit("--staged")
    assert result.status == 2
    assert "conflicts of a merge" in result.stderr
    stage.write("requirements.txt", hashed(one, two))
    stage.git("add", "--all")
    result = stage.audit("--staged")
    assert (result.status, decided(result.report)) == (10, ["two 1.0.0"])


def test_a_lock_staged_as_a_link_is_refused(stage: AuditStage) -> None:
    stage.write("package-lock.json", "{}")
    stage.commit()
    (stage.project / "package-lock.json").unlink()
    (stage.project / "package-lock.json").symlink_to(Path("elsewhere.json"))
    stage.git("add", "--all")
    assert stage.audit("--staged").status == 2


def test_pre_commit_names_another_base(stage: AuditStage, monkeypatch: pytest.MonkeyPatch) -> None:
    world = stage.world
    stage.write("README", "")
    base = stage.commit()
    stage.write("requirements.txt", hashed(world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)))
    stage.commit()
    assert stage.audit("--staged").status == 0
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", base)
    result = stage.audit("--staged")
    assert (result.status, result.report["run"]["since"]) == (10, base)
    monkeypatch.setenv("PRE_COMMIT_FROM_REF", "nothing")
    assert stage.audit("--staged").status == 2


def test_paths_limit_what_of_the_index_is_judged(stage: AuditStage) -> None:
    world = stage.world
    stage.git("init", "--quiet")
    stage.write("a/requirements.txt", hashed(world.publish("widget", "1.0.0", defect=Defect.SIGNATURE_CORRUPT)))
    stage.write("b/requirements.txt", hashed(world.publish("other", "1.0.0")))
    stage.git("add", "--all")
    assert stage.audit("--staged", "b").status == 0
    assert stage.audit("--staged", "a/requirements.txt").status == 10
    assert stage.audit("--staged", "c/requirements.txt").status == 2
    assert stage.audit("--staged", "--changed-since", "HEAD").status == 2


def test_outside_of_a_repository_nothing_is_staged(stage: AuditStage) -> None:
    stage.write("requirements.txt", "")
    result = stage.audit("--staged")
    assert (result.status, result.report) == (2, {})


def test_the_identity_lock_of_head_says_who_publishes_and_a_staged_one_is_a_change_of_rules(stage: AuditStage) -> None:
    world = stage.world
    thief = Identity.github(repository="thief/widget", ref="refs/tags/v1.1.0", repository_id="666", owner_id="667")
    old = world.publish_npm("widget", "1.0.0", attested=True)
    new = world.publish_npm("widget", "1.1.0", attested=True, identity=thief)
    stage.write("app/package-lock.json", package_lock(old, url=world.npm.url))
    assert stage.audit(command=("lock",)).status == 0
    stage.commit()
    stage.write("app/package-lock.json", package_lock(new, url=world.npm.url))
    stage.git("add", "--all")
    assert stage.audit("--staged").rules("block") == {"identity-changed"}
    assert stage.audit(command=("lock",)).stdout.startswith("CHANGED")
    assert stage.audit("--staged").rules("block") == {"identity-changed"}  # what is not staged has no say
    stage.git("add", "--all")
    assert stage.audit("--staged").rules("block") == {"identity-changed", "identity-lock-changed"}
    stage.git("restore", "--staged", "app/package-lock.json")
    result = stage.audit("--staged")
    assert (result.rules("block"), result.report["artifacts"]) == ({"identity-lock-changed"}, [])
