"""One rule per module; :data:`RULES` is all of them."""

from __future__ import annotations

from guard.policy.rule import Rule
from guard.policy.rules import (
    exception_expired,
    hash_mismatch,
    hash_missing,
    hash_weak,
    identity_mismatch,
    install_script,
    metadata_mismatch,
    provenance_invalid,
    provenance_missing,
    provenance_stripped,
    provenance_unavailable,
    registry_host,
    registry_signature_invalid,
    registry_signature_missing,
    registry_signature_unavailable,
    registry_unavailable,
    source_not_allowed,
    statement_mismatch,
)

RULES: tuple[Rule, ...] = (
    hash_missing,
    hash_weak,
    hash_mismatch,
    source_not_allowed,
    provenance_missing,
    provenance_stripped,
    provenance_unavailable,
    provenance_invalid,
    statement_mismatch,
    identity_mismatch,
    metadata_mismatch,
    registry_unavailable,
    registry_host,
    registry_signature_missing,
    registry_signature_invalid,
    registry_signature_unavailable,
    install_script,
    exception_expired,
)
