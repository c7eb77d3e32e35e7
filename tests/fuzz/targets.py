"""What is fuzzed: each reader of untrusted evidence."""

from __future__ import annotations

from tests.fuzz.bundles import BUNDLE_TARGETS
from tests.fuzz.documents import DOCUMENT_TARGETS
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = BUNDLE_TARGETS | DOCUMENT_TARGETS
