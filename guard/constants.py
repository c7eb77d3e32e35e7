"""Addresses of the public registries: the only module that names them."""

from __future__ import annotations

PYPI_SIMPLE_URL = "https://pypi.org/simple"
PYPI_HOST = "pypi.org"
PYPI_FILES_HOST = "files.pythonhosted.org"

# Indexes whose metadata always carries the PEP 740 ``provenance`` key where a file has provenance.
EVIDENCE_BEARING_INDEX_HOSTS = frozenset({PYPI_HOST})
