"""Every ceiling in one place: bytes, seconds, counts, each with the reason for its size."""

from __future__ import annotations

MIB = 1024 * 1024

# Documents. PyPI's largest index pages in JSON are around 30 MB; a PEP 740 object holds at most two attestations.
INDEX_PAGE_MAX_BYTES = 64 * MIB
METADATA_MAX_BYTES = 4 * MIB
PROVENANCE_MAX_BYTES = 1 * MIB
BUNDLE_MAX_BYTES = 1 * MIB  # real ones have 5 to 30 KB, most of it the statement
# A file with one bundle a line, as GitHub's client downloads up to a thousand attestations of one file.
EVIDENCE_FILE_MAX_BYTES = 32 * MIB
EVIDENCE_FILE_MAX_COUNT = 1000
# A signature by some kinds of keys is checked over the file itself, which is then held in memory.
SIGNED_CONTENT_MAX_BYTES = 1024 * MIB
# npm. The largest full packuments are around 100 MB, and some mirrors send only those; one version's part of them is
# its package.json, which holds kilobytes; a registry has a handful of keys; npm audit is told of a tree's advisories.
PACKUMENT_MAX_BYTES = 128 * MIB
PACKAGE_VERSION_MAX_BYTES = 8 * MIB
REGISTRY_KEYS_MAX_BYTES = 1 * MIB
LOG_ANSWER_MAX_BYTES = 4 * MIB  # two entries at most, each with the statement and a certificate
AUDIT_ANSWER_MAX_BYTES = 32 * MIB
POLICY_MAX_BYTES = 1 * MIB
IDENTITY_LOCK_MAX_BYTES = 16 * MIB  # some six hundred bytes for each of the thousands of packages of a large project
TRUST_ROOT_MAX_BYTES = 1 * MIB
REQUIREMENTS_MAX_BYTES = 16 * MIB
TUF_FILE_MAX_BYTES = 5 * MIB  # what python-tuf allows the largest role; Sigstore's files have kilobytes
NPM_LOCK_MAX_BYTES = 50 * MIB  # real ones reach a few megabytes
LOCKFILE_MAX_BYTES = 50 * MIB  # of any format, which is what the parsers take
LOCK_INCLUDES_MAX_COUNT = 1000
EXPLAINED_FILES_MAX_COUNT = 100  # files of one release, one request each; a release for many platforms has some 150
# Artifacts. PyPI allows projects up to 10 GiB a file on request; without a cap a server could fill the disk.
ARTIFACT_MAX_BYTES = 10 * 1024 * MIB
# What an npm tarball may unpack to; the largest real ones have about 1 GiB, and a bomb a thousand times its own size.
TARBALL_UNPACKED_MAX_BYTES = 8 * 1024 * MIB

# Structure. Real provenance objects have one bundle with one or two attestations.
JSON_MAX_DEPTH = 64
ATTESTATIONS_MAX_COUNT = 32
# The longest file name that common file systems hold. The tags of a wheel's name multiply when they are parsed, so that
# a signed name of a megabyte would fill the memory.
DISTRIBUTION_NAME_MAX_CHARACTERS = 255
BUNDLE_ITEMS_MAX_COUNT = 64  # a log of 2**64 entries has audit paths of 64 hashes; timestamps and certificates are few
WHEEL_TAGS_MAX_COUNT = 1000  # real names stand for some dozens
REQUIREMENT_INCLUDES_MAX_DEPTH = 32
PROJECT_MAX_COUNT = 200_000  # files and folders of a project that is copied, mostly as links; some seconds
TARBALL_MEMBERS_MAX_COUNT = 500_000  # the largest real npm packages have some ten thousands
TARBALL_EXTENSION_MAX_BYTES = 1 * MIB  # npm passes over larger ones

COMMAND_HEAD_BYTES = 4096  # of a program on PATH: its first lines say which interpreter it starts
SETTING_SHOWN_MAX_CHARS = 500  # a longer setting is a certificate or a list that nobody reads

# Time.
CONNECT_TIMEOUT_SECONDS = 10.0
READ_TIMEOUT_SECONDS = 30.0
RUN_DEADLINE_SECONDS = 1800.0
RETRY_AFTER_MAX_SECONDS = 30.0
LOG_DEADLINE_SECONDS = 60.0  # one small question to each log of a trust root
TUF_DEADLINE_SECONDS = 10  # a first refresh is seven requests of kilobytes, later ones two
TRUST_ROOT_REFRESH_SECONDS = 24 * 3600  # Sigstore announces a new key in its trusted root long before it is used

GIT_DEADLINE_SECONDS = 120  # listing a tree of a million files takes some seconds

# Facts that are remembered. A listing may change with every upload, keys are announced; nobody waits for a busy disk.
LISTING_LIFE_SECONDS = 3600
ABSENCE_LIFE_SECONDS = 3600
KEYS_LIFE_SECONDS = 24 * 3600
FACTS_MAX_BYTES = 64 * MIB  # some ten thousand verifications
FACT_MAX_BYTES = 4 * MIB  # one entry; a verification has kilobytes
FACTS_BUSY_SECONDS = 1.0

# Concurrency. PyPI asks for modest parallelism; two cores decode no faster than this.
PREFETCH_WORKERS = 8
NPM_WORKERS = 12  # npm itself opens up to 15 connections to a registry (its `maxsockets`)
GATEWAY_THREADS = 16
REQUESTS_PER_HOST_MAX_COUNT = 16  # of guard's at a time, whoever asks: workers, and the tool through the gateway
# What a client may send to the gateway: the names and versions of a whole tree, for `npm audit`.
GATEWAY_REQUEST_MAX_BYTES = 16 * MIB
RETRIES_MAX_COUNT = 4
