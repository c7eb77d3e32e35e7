"""Every ceiling in one place: bytes, seconds, counts, each with the reason for its size."""

from __future__ import annotations

MIB = 1024 * 1024

# Documents. PyPI's largest index pages in JSON are around 30 MB; a PEP 740 object holds at most two attestations.
INDEX_PAGE_MAX_BYTES = 64 * MIB
METADATA_MAX_BYTES = 4 * MIB
PROVENANCE_MAX_BYTES = 1 * MIB
POLICY_MAX_BYTES = 1 * MIB
TRUST_ROOT_MAX_BYTES = 1 * MIB
REQUIREMENTS_MAX_BYTES = 16 * MIB
# Artifacts. PyPI allows projects up to 10 GiB a file on request; without a cap a server could fill the disk.
ARTIFACT_MAX_BYTES = 10 * 1024 * MIB

# Structure. Real provenance objects have one bundle with one or two attestations.
JSON_MAX_DEPTH = 64
ATTESTATIONS_MAX_COUNT = 32
WHEEL_TAGS_MAX_COUNT = 1000  # real names stand for some dozens
REQUIREMENT_INCLUDES_MAX_DEPTH = 32

# Time.
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
RUN_DEADLINE_SECONDS = 1800.0
RETRY_AFTER_MAX_SECONDS = 30.0

# Concurrency. PyPI asks for modest parallelism; two cores decode no faster than this.
PREFETCH_WORKERS = 8
GATEWAY_THREADS = 16
RETRIES_MAX_COUNT = 4
