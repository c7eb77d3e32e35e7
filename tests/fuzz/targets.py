"""What is fuzzed: each reader of untrusted evidence, and of the files that a project brings."""

from __future__ import annotations

from tests.fuzz.bundles import BUNDLE_TARGETS
from tests.fuzz.documents import DOCUMENT_TARGETS
from tests.fuzz.lockfiles import LOCKFILE_TARGETS
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = BUNDLE_TARGETS | DOCUMENT_TARGETS | LOCKFILE_TARGETS
