"""The client of transparency logs: the entry of an envelope that came without it (Rekor v1)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from guard import limits
from guard.errors import EvidenceCode, EvidenceInvalid, Unavailable
from guard.registry.credentials import Credentials, redact_url
from guard.registry.http import Deadline, HttpClient
from guard.registry.http_settings import settings_from_environment
from guard.sigstore.envelope import CertifiedEnvelope, bundle_with_entry, log_query
from guard.sigstore.strict_json import JsonObject
from guard.sigstore.trust_root import TrustRoot

_PATH = "/api/v1/log/entries/retrieve"
_JSON = "application/json"
# What logs answer that do not have this interface, as those of Rekor v2.
_NOT_SERVED = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})


class TransparencyLogs:
    """Asks the logs of a trust root, which are the only ones whose answer could be verified.

    Args:
        trust_root: names them.
        environ: the user's environment, for proxies and certificates.
    """

    def __init__(self, trust_root: TrustRoot, environ: Mapping[str, str]) -> None:
        self._urls = _urls_of(trust_root)
        self._http = HttpClient(
            settings=settings_from_environment(environ),
            credentials=Credentials(netrc_path=None, keyring=None),
            deadline=Deadline(limits.LOG_DEADLINE_SECONDS),
        )

    def complete(self, envelope: CertifiedEnvelope) -> JsonObject:
        """Return the bundle that an envelope makes with its log entry, unverified.

        Raises:
            EvidenceInvalid: ``LOG_ENTRY``, no log has one.
            Unavailable: a log that could have it did not answer.
            MalformedInput: it answered what cannot be read.
        """
        query = log_query(envelope)
        for url in self._urls:
            headers = {"Accept": _JSON, "Content-Type": _JSON}
            answer = self._http.post(url + _PATH, query, headers=headers, max_bytes=limits.LOG_ANSWER_MAX_BYTES)
            if answer.status in _NOT_SERVED:
                continue
            if answer.status != HTTPStatus.OK:
                raise Unavailable(f"{redact_url(url)} answered {answer.status}", status=answer.status)
            bundle = bundle_with_entry(envelope, answer.body)
            if bundle is not None:
                return bundle
        raise EvidenceInvalid(EvidenceCode.LOG_ENTRY, "no transparency log of the trust root has an entry of it")


def _urls_of(trust_root: TrustRoot) -> Sequence[str]:
    logs = json.loads(trust_root.data)["tlogs"]
    urls = [str(log.get("baseUrl") or "").rstrip("/") for log in logs]
    return [url for url in dict.fromkeys(urls) if url.startswith(("https://", "http://"))]
