"""``guard verify``: who built or signed files, from what, and whether that is who the user expects."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from typing_extensions import assert_never

from guard import limits
from guard.app import App, load_anchor
from guard.attest.evidence_file import EvidenceDocument, Form, parse_evidence_file
from guard.attest.evidence_set import EvidenceFile, verify_evidence_files
from guard.attest.file_evidence import Trusted, key_id_of
from guard.attest.npm import RegistryKeys
from guard.attest.npm_signature import RegistryKey, parse_registry_keys
from guard.attest.subject import NpmRelease, PythonFile, Subject
from guard.audit.engines import Engines
from guard.cli.expected import SignerOptions, parse_expectation
from guard.constants import NPM_REGISTRY_URL
from guard.engine.npm_keys import load_shipped_keys
from guard.engine.outcome import Outcome
from guard.engine.subjects import artifact_of, registry_request
from guard.errors import ConfigInvalid, EvidenceInvalid, ExitCode, MalformedInput, Unavailable, UsageError
from guard.managers.npm.configured import load_keys, make_npm_client
from guard.managers.pip.index_settings import IndexSettings
from guard.model import Facts, Judged
from guard.policy.expectation import Expectation
from guard.policy.policy import Policy
from guard.policy.verification import evaluate_verification, expected_evidence
from guard.registry.transparency_log import TransparencyLogs
from guard.report.json_report import render_json
from guard.report.model import RunReport
from guard.report.verification import render_verification
from guard.sigstore.envelope import parse_certified_envelope
from guard.sigstore.verify import Verifier
from guard.store.subjects import digest_subject, load_file_subject

_DIGESTS = ("sha256:", "sha512:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the command line asks.

    Args:
        subjects: files and digests, as typed.
        bundles: files of evidence; without one, registries are asked.
        name: what the one subject is.
        npm_keys: file of an npm registry's keys.
        key: file of the key that must have signed.
        signer: the options that say who else it must have been.
        output_format: ``text`` or ``json``.
    """

    subjects: tuple[str, ...]
    bundles: tuple[Path, ...]
    name: str | None
    npm_keys: Path | None
    key: Path | None
    signer: SignerOptions
    output_format: str


def run_verify(app: App, request: Request) -> int:
    """Verify files.

    Args:
        app: the outside.
        request: the command line.

    Returns:
        0 where every file has verified evidence as expected, 10 where one has not, else 11 where it could not be
        fetched.

    Raises:
        UsageError: the command line cannot be carried out.
        ConfigInvalid: the trust root, a key or a configuration file cannot be used.
    """
    key = None if request.key is None else _load_key(request.key)
    expectation = parse_expectation(request.signer, key_id=None if key is None else key_id_of(key))
    subjects = _load_subjects(request)
    npm_keys = None if request.npm_keys is None else _load_npm_keys(request.npm_keys)
    policy = app.load_policy()
    verifier = Verifier(app.load_trust_root(policy), now=app.latest_now)
    verifier.require_usable()
    with ExitStack() as stack:
        if request.bundles:
            trusted = _trusted(app, policy, verifier, subjects, npm_keys, key)
            logs = TransparencyLogs(verifier.trust_root, app.environ)
            facts = _facts_of_bundles([_load_evidence(path, logs) for path in request.bundles], subjects, trusted)
        else:
            trust_root = verifier.trust_root
            engines = Engines(
                app=app, policy=policy, trust_root=trust_root, stack=stack, asks_anew=True, npm_keys=npm_keys
            )
            facts = tuple(_facts_of_registry(subject, engines, app.cwd) for subject in subjects)
    judged = tuple(_judge(each, expectation) for each in facts)
    return app.conclude(
        Outcome(judged=judged, planned=len(subjects), tool_status=ExitCode.ALLOWED),
        command=app.command,
        policy=policy,
        trust_root=verifier.trust_root,
        show=partial(_show, app, expectation, request.output_format),
        is_explained=request.output_format == "json" or not app.options.quiet,
    )


def _load_subjects(request: Request) -> tuple[Subject, ...]:
    if request.name is not None and len(request.subjects) > 1:
        raise UsageError("--name says what one SUBJECT is, and there are several")
    if request.key is not None and not request.bundles:
        raise UsageError("--key needs --bundle: registries serve nothing that is signed with a key of yours")
    return tuple(_load_subject(text, request) for text in request.subjects)


def _load_subject(text: str, request: Request) -> Subject:
    if not text.startswith(_DIGESTS):
        return load_file_subject(Path(text), name=request.name, with_content=bool(request.bundles))
    subject = digest_subject(text, name=request.name)
    if not request.bundles and subject.package is None:
        hint = "--name FILE_NAME or --name pkg:npm/NAME@VERSION, or bring evidence: --bundle FILE"
        raise UsageError(f"{text}: say which package of a registry this is", hint=hint)
    return subject


def _trusted(
    app: App,
    policy: Policy,
    verifier: Verifier,
    subjects: Sequence[Subject],
    npm_keys: tuple[RegistryKey, ...] | None,
    key: bytes | None,
) -> Trusted:
    registries: tuple[str, ...] = (NPM_REGISTRY_URL,)
    known: tuple[RegistryKey, ...] = ()
    if any(isinstance(subject.package, NpmRelease) for subject in subjects):
        registries += make_npm_client(app, policy).registries.urls
        named = load_keys(app, policy) if npm_keys is None else npm_keys
        known = load_shipped_keys() if named is None else named
    return Trusted(verifier=verifier, registry_keys=RegistryKeys(known=known), registries=registries, key=key)


def _facts_of_registry(subject: Subject, engines: Engines, folder: Path) -> Facts:
    """Return what the registry of a file says about it; of a file that is no package, nothing but its digests."""
    match subject.package:
        case PythonFile():
            engine = engines.pypi(IndexSettings())
            facts = engine.judge_locked(registry_request(subject), fits=lambda _: True).facts
        case NpmRelease():
            facts = engines.npm(folder).judge_locked(registry_request(subject)).facts
        case None:
            return Facts(artifact=artifact_of(subject))
        case _:
            assert_never(subject.package)
    # Of the file that is there, whatever the registry lists.
    return replace(facts, artifact=replace(facts.artifact, digests=subject.digests, file=subject.filename))


def _facts_of_bundles(
    files: Sequence[EvidenceFile], subjects: Sequence[Subject], trusted: Trusted
) -> tuple[Facts, ...]:
    evidence = verify_evidence_files(files, subjects, trusted)
    return tuple(
        Facts(artifact=artifact_of(subject), evidence=found) for subject, found in zip(subjects, evidence, strict=True)
    )


def _load_evidence(path: Path, logs: TransparencyLogs) -> EvidenceFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(limits.EVIDENCE_FILE_MAX_BYTES + 1)
        documents = tuple(_completed(each, logs) for each in parse_evidence_file(data))
    except OSError as error:
        return EvidenceFile(label=str(path), problem=MalformedInput(f"it cannot be read: {error.strerror}"))
    except Unavailable as error:
        return EvidenceFile(label=str(path), outage=error)
    except (MalformedInput, EvidenceInvalid) as error:
        return EvidenceFile(label=str(path), problem=error)
    return EvidenceFile(label=str(path), documents=documents)


def _completed(document: EvidenceDocument, logs: TransparencyLogs) -> EvidenceDocument:
    """Return an envelope that came without its log entry as the bundle that it makes with it."""
    if document.form is not Form.ENVELOPE:
        return document
    bundle = logs.complete(parse_certified_envelope(document.members, document.data))
    return replace(document, form=Form.BUNDLE, members=bundle)


def _load_key(path: Path) -> bytes:
    data = load_anchor(path, what="key")
    from guard.sigstore.keys import load_pem_public_key

    try:
        return load_pem_public_key(data)
    except ValueError as error:
        raise ConfigInvalid(f"{path} is no public key in PEM of a kind that Sigstore signs with") from error


def _load_npm_keys(path: Path) -> tuple[RegistryKey, ...]:
    try:
        return parse_registry_keys(load_anchor(path, what="registry keys"))
    except MalformedInput as error:
        raise ConfigInvalid(f"registry keys {path}: {error.message}") from error


def _judge(facts: Facts, expectation: Expectation) -> Judged:
    decision = evaluate_verification(facts, expectation)
    # Reports name the first signer: that shall be the one who was expected.
    expected = expected_evidence(facts, expectation)
    facts = replace(facts, evidence=tuple(sorted(facts.evidence, key=lambda each: each not in expected)))
    return Judged(facts=facts, decision=decision, bound_by="none", installed=False)


def _show(app: App, expectation: Expectation, output_format: str, report: RunReport) -> None:
    if output_format == "json":
        sys.stdout.write(render_json(report))
    elif not app.options.quiet:
        sys.stdout.write(render_verification(report, expectation))
