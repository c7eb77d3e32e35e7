"""What each rule means, in the first sentence of its section in ``docs/rules.md``, for formats that explain rules."""

from __future__ import annotations

from collections.abc import Mapping

from guard.model import RuleId

RULE_MEANINGS: Mapping[RuleId, str] = {
    RuleId.HASH_MISSING: ("The input pins some artifacts by hash and leaves this one open."),
    RuleId.HASH_WEAK: ("All hashes that pin the artifact are md5 or sha1."),
    RuleId.HASH_MISMATCH: (
        "The hash that you pinned, the hash that the registry lists and the hash of the bytes do not agree, or share "
        "no algorithm by which they could be compared."
    ),
    RuleId.SOURCE_NOT_ALLOWED: ("The artifact comes from a kind of source that `sources` does not list."),
    RuleId.PROVENANCE_MISSING: ("The policy requires provenance, or pins the publisher, and the artifact has none."),
    RuleId.PROVENANCE_STRIPPED: (
        "Provenance must exist and is gone: the registry announces it and does not serve it, or comparable files had "
        "it."
    ),
    RuleId.PROVENANCE_UNAVAILABLE: (
        "Whether there is provenance could not be found out: an outage, refused access, or an index that serves none."
    ),
    RuleId.PROVENANCE_INVALID: (
        "There is provenance and it does not hold: it does not parse, or its signature, certificate or log entry is "
        "wrong."
    ),
    RuleId.STATEMENT_MISMATCH: (
        "The signature is genuine and the signed statement is about something else: another file name, another "
        "digest, or a publisher that is not the certificate's."
    ),
    RuleId.IDENTITY_MISMATCH: (
        "The certificate is not of a publisher that you pinned with `[[package.identity]]`, or contradicts itself."
    ),
    RuleId.IDENTITY_CHANGED: (
        "Somebody else publishes the package: a hard fact differs from what guard.lock records, or, where it has no "
        "entry, from the release before."
    ),
    RuleId.IDENTITY_DRIFT: (
        "The publisher is the same and publishes otherwise than guard.lock records: another workflow, branch or tag, "
        "trigger, environment or runner, or the repository was transferred to another owner."
    ),
    RuleId.IDENTITY_MISSING: (
        '`identity = "required"`, and neither guard.lock nor a pin names who publishes the package.'
    ),
    RuleId.IDENTITY_LOCK_CHANGED: "The change that is being reviewed (`--changed-since`) changes guard.lock.",
    RuleId.METADATA_MISMATCH: (
        "The file's own metadata is not what the index told the resolver, so that the file was chosen for what it is "
        "not."
    ),
    RuleId.REGISTRY_UNAVAILABLE: ("The registry could not be asked, so that nothing is decided."),
    RuleId.REGISTRY_HOST: (
        "`resolved` in an npm lock is not the address that the registry lists: it is on another host, or names "
        "another package."
    ),
    RuleId.REGISTRY_SIGNATURE_MISSING: (
        "The policy requires a signature of the npm registry, and it lists none for the package."
    ),
    RuleId.REGISTRY_SIGNATURE_INVALID: (
        "The npm registry lists a signature that does not hold: it is about another hash, it was made with none of "
        "the registry's keys, or with one that had ended before the package was published."
    ),
    RuleId.REGISTRY_SIGNATURE_UNAVAILABLE: (
        "The npm registry lists a signature, and its keys could not be had: an outage, refused access, or a mirror "
        "that serves no keys."
    ),
    RuleId.SLSA_LEVEL: (
        "The certificate of the provenance shows a lower SLSA build level than `slsa-level` asks for "
        "([slsa.md](slsa.md))."
    ),
    RuleId.RUNNER_NOT_ACCEPTED: (
        "The certificate says that the artifact was built on a machine that the build platform does not run itself, "
        "or on any other that `runner` does not list."
    ),
    RuleId.TRIGGER_DENIED: (
        "The certificate says that the build was started by an event that strangers can cause, and that works with "
        "the project's rights."
    ),
    RuleId.RELEASE_TOO_NEW: ("The release has been out for less than `min-age`."),
    RuleId.YANKED: ("The maintainers took the release back (PEP 592)."),
    RuleId.SDIST_NOT_ALLOWED: ("The file is a source distribution."),
    RuleId.INSTALL_SCRIPT: (
        "The npm package runs code of its own when it is installed (`preinstall`, `install`, `postinstall`, or a "
        "build of native code), and the policy blocks such packages."
    ),
    RuleId.COMMAND_NOT_GUARDED: (
        "The command may install packages in a way that guard cannot see, so that it is not run."
    ),
    RuleId.EXCEPTION_EXPIRED: ("An exception names the package and its last day is over."),
    RuleId.POLICY_LOOSENED: (
        "The project's policy asks for less than your own, adds exceptions, or names a trust root or an index that "
        "you have not trusted."
    ),
    RuleId.LOCK_ENTRY_UNREADABLE: (
        "A line of a lock or requirements file cannot be read, so that what it installs is not known."
    ),
    RuleId.INSTALLED_DIFFERS: (
        "What lies in `node_modules` is not what npm recorded there, so that nothing is known about where it is from."
    ),
}
