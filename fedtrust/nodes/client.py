"""How participants and trustees talk to the aggregator: one interface, over TLS or inside one process."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import httpx

from fedtrust.crypto.encoding import from_hex
from fedtrust.errors import (
    ArtifactError,
    CertificateMismatchError,
    PeerRefusedError,
    PeerUnreachableError,
)
from fedtrust.ledger.types import Address, Identity
from fedtrust.nodes.identity import Identity as OwnIdentity
from fedtrust.nodes.standing import in_force
from fedtrust.nodes.tls import client_context
from fedtrust.protocol.fields import address
from fedtrust.protocol.receipt import Receipt
from fedtrust.store.artifacts import ArtifactReader, RemoteStore

TIMEOUT_SECONDS = 60.0
CONNECT_SECONDS = 5.0
_MOST_BRACKETS = 1000


class TryLaterError(PeerRefusedError):
    """The aggregator is not there yet: the same request may succeed later."""


class AggregatorClient(Protocol):
    """What an aggregator offers to the other nodes."""

    @property
    def artifacts(self) -> ArtifactReader:
        """Its artifact store; what is read from it is verified here."""

    def uploads(self, round: int) -> dict[Address, bytes]:
        """Return the digests of the updates it admitted in a round."""

    def aggregate(self, round: int) -> bytes | None:
        """Return the digest of the product of a round's accepted updates, or None if it has none."""

    def upload_update(self, round: int, data: bytes) -> Receipt:
        """Hand in an encrypted update; returns the receipt, unverified. Raises TryLaterError or PeerRefusedError."""

    def upload_partial(self, round: int, data: bytes) -> None:
        """Hand in a partial decryption. Raises TryLaterError or PeerRefusedError."""


class AggregatorDirectory(Protocol):
    """The aggregators of a federation, by their accounts."""

    def client(self, aggregator: Address) -> AggregatorClient:
        """Return the aggregator with that account. Raises PeerUnreachableError or CertificateMismatchError."""


class HttpsClient:
    """An aggregator behind HTTPS, its certificate pinned to the registered one."""

    def __init__(self, url: str, context: ssl.SSLContext) -> None:
        """``context`` comes from ``tls.client_context``."""
        self._url = url.rstrip("/")
        self._client = httpx.Client(
            base_url=self._url,
            verify=context,
            timeout=httpx.Timeout(TIMEOUT_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
        )

    @property
    def artifacts(self) -> ArtifactReader:
        """See AggregatorClient."""
        return RemoteStore(self._fetch, self._url)

    def reach(self) -> None:
        """Connect. Raises PeerUnreachableError or CertificateMismatchError; any answer will do."""
        try:
            self._client.get("/health")
        except httpx.TransportError as error:
            raise _transport_error(self._url, error) from error

    def uploads(self, round: int) -> dict[Address, bytes]:
        """See AggregatorClient."""
        body = _json(self._request("GET", f"/rounds/{round}/updates"))
        if not isinstance(body, dict):
            raise PeerRefusedError(f"{self._url} answered something else than a list of updates")
        return {address(a, "update list"): from_hex(d, 32, "update list") for a, d in body.items()}

    def aggregate(self, round: int) -> bytes | None:
        """See AggregatorClient."""
        try:
            body = _json(self._request("GET", f"/rounds/{round}/aggregate"))
        except ArtifactError:
            return None
        if not isinstance(body, dict) or not isinstance(body.get("digest"), str):
            raise PeerRefusedError(f"{self._url} answered something else than the digest of an aggregate")
        return from_hex(body["digest"], 32, "digest of the aggregate")

    def upload_update(self, round: int, data: bytes) -> Receipt:
        """See AggregatorClient. Raises EncodingError for an answer that is no receipt."""
        return Receipt.from_bytes(self._request("POST", f"/rounds/{round}/updates", data).content)

    def upload_partial(self, round: int, data: bytes) -> None:
        """See AggregatorClient."""
        self._request("POST", f"/rounds/{round}/partials", data)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _fetch(self, digest: bytes) -> bytes | None:
        try:
            return self._request("GET", f"/artifacts/{digest.hex()}").content
        except ArtifactError:
            return None

    def _request(self, method: str, path: str, data: bytes | None = None) -> httpx.Response:
        try:
            response = self._client.request(method, path, content=data)
        except httpx.RequestError as error:
            raise _transport_error(self._url, error) from error
        if response.is_success:
            return response
        answer = _json(response)
        body: dict[str, Any] = answer if isinstance(answer, dict) else {}
        message = str(body.get("message", response.text[:200]))
        if response.status_code == 404:
            raise ArtifactError(message)
        kind = TryLaterError if response.status_code == 425 else PeerRefusedError
        if response.status_code == 401:
            raise CertificateMismatchError(f"the aggregator refused our certificate: {message}", got=body.get("got"))
        raise kind(
            f"the aggregator refused: {message}",
            expected=body.get("expected"),
            got=body.get("got"),
            advice=body.get("advice"),
        )


class HttpsDirectory:
    """Aggregators behind some https addresses; which account answers where, their certificates tell."""

    def __init__(
        self, urls: Sequence[str], own: OwnIdentity | None, identities: Callable[[], Iterable[Identity]]
    ) -> None:
        """``identities`` returns what is registered on chain at the time; ``own`` is our certificate."""
        self._urls, self._own, self._identities = tuple(urls), own, identities
        self._clients: dict[tuple[str, bytes], HttpsClient] = {}

    def client(self, aggregator: Address) -> AggregatorClient:
        """See AggregatorDirectory: of the addresses, the first that presents this aggregator's certificate."""
        registered = next((i for i in self._identities() if i.account == aggregator), None)
        if registered is None:
            raise PeerUnreachableError(f"the aggregator {aggregator} is not registered, as far as this node has seen")
        if self._own is not None and not in_force(registered):
            raise PeerUnreachableError(
                f"the aggregator {aggregator} is {registered.status.name}: nothing is sent to it"
            )
        mismatch: CertificateMismatchError | None = None
        away: PeerUnreachableError | None = None
        for url in self._urls:
            found = self._client_at(url, registered)
            try:
                found.reach()
            except CertificateMismatchError as error:
                mismatch = error
            except PeerUnreachableError as error:
                away = error
            else:
                return found
        # an address that does not answer may be this aggregator's
        raise away or mismatch or PeerUnreachableError("no address of an aggregator is known", advice="name one")

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def _client_at(self, url: str, registered: Identity) -> HttpsClient:
        place = (url, registered.certificate_fingerprint)
        if place not in self._clients:
            self._clients[place] = HttpsClient(url, client_context(self._own, [registered]))
        return self._clients[place]


def _json(response: httpx.Response) -> object:
    """Return the JSON that a response holds, or None if it holds none that this service would send."""
    # a dependency raises Python's recursion limit so far that deep nesting would end the process
    if response.content.count(b"[") + response.content.count(b"{") > _MOST_BRACKETS:
        return None
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _transport_error(url: str, error: httpx.RequestError) -> PeerUnreachableError | CertificateMismatchError:
    text = str(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return CertificateMismatchError(
                f"{url} presented a certificate that is not registered on chain for an aggregator",
                expected="the registered certificate",
                got=cause.verify_message,
                advice="check the address; somebody else may be answering there",
            )
        cause = cause.__cause__ or cause.__context__
    # with TLS 1.3 a refused client certificate shows at the first read
    if "alert" in text.lower() and ("unknown ca" in text.lower() or "certificate" in text.lower()):
        return CertificateMismatchError(
            f"{url} refused our TLS certificate",
            expected="the certificate registered on chain for this account",
            got=text,
            advice="use the identity folder that was registered",
        )
    if isinstance(error, (httpx.RemoteProtocolError, httpx.ReadError)):
        # asyncio's server hangs up on a certificate it does not know without sending TLS's reason
        return PeerUnreachableError(
            f"{url} does not answer but hangs up",
            got=text or type(error).__name__,
            advice="is the aggregator running there? It knows only the certificates that are registered on chain",
        )
    return PeerUnreachableError(
        f"{url} does not answer", got=text or type(error).__name__, advice="is the aggregator running there?"
    )
