"""Addresses of the public registries: the only module that names them."""

from __future__ import annotations

PYPI_SIMPLE_URL = "https://pypi.org/simple"
PYPI_HOST = "pypi.org"
PYPI_FILES_HOST = "files.pythonhosted.org"
PYPI_FORMER_HOST = "pypi.python.org"  # until 2018; it still leads to the present one, and old locks name it

# Indexes whose metadata always carries the PEP 740 ``provenance`` key where a file has provenance.
EVIDENCE_BEARING_INDEX_HOSTS = frozenset({PYPI_HOST})

NPM_REGISTRY_URL = "https://registry.npmjs.org/"
NPM_HOST = "registry.npmjs.org"
YARN_REGISTRY_URL = "https://registry.yarnpkg.com/"  # another name of the same one, which yarn writes into its locks

# Sigstore's public instance: the TUF repository that its trusted root comes from.
SIGSTORE_TUF_URL = "https://tuf-repo-cdn.sigstore.dev"

# Registries whose listings always carry ``dist.attestations`` where a version has attestations.
EVIDENCE_BEARING_REGISTRY_HOSTS = frozenset({NPM_HOST})
