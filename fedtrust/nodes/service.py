"""The aggregator's HTTPS service: artifacts for everybody, uploads from registered participants and trustees.

GET  /health                         which federation this is
GET  /artifacts/{sha-256}            an artifact's bytes, as stored (readers verify them)
GET  /rounds/{round}/updates         digests of the admitted updates, by account
GET  /rounds/{round}/aggregate       the digest of their product
POST /rounds/{round}/updates         a participant's encrypted update   (its registered TLS certificate); a receipt
POST /rounds/{round}/partials        a trustee's partial decryption     (its registered TLS certificate)
"""

from __future__ import annotations

import asyncio
import errno
import socket
import threading
from typing import Annotated, Any, cast

import uvicorn
from fastapi import FastAPI, Path, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from fedtrust.crypto.encoding import from_hex, to_hex
from fedtrust.errors import (
    CertificateMismatchError,
    EncodingError,
    FedtrustError,
    IdentityError,
    PeerUnreachableError,
    PortTakenError,
    UpdateError,
)
from fedtrust.ledger.types import Role
from fedtrust.nodes.admission import NotYetError
from fedtrust.nodes.aggregator import AggregatorNode
from fedtrust.nodes.tls import ServerTrust
from fedtrust.protocol.spec import FederationId
from fedtrust.store.artifacts import FolderStore

_PEER = "peer_certificate"
RoundNumber = Annotated[int, Path(ge=1, lt=2**53)]


class _PeerCertificateProtocol(H11Protocol):
    """Puts the client's TLS certificate (DER) into the request state: uvicorn does not pass it on."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        application = self.app

        async def with_certificate(scope: Scope, receive: Receive, send: Send) -> None:
            scope.setdefault("state", {})[_PEER] = certificate
            await application(scope, receive, send)

        self.app = cast(Any, with_certificate)


def _status(error: FedtrustError) -> int:
    match error:
        case NotYetError():
            return 425
        case CertificateMismatchError():
            return 401
        case IdentityError():
            return 403
        case UpdateError():
            return 409
        case _:
            return 422


def build_app(node: AggregatorNode, store: FolderStore, trust: ServerTrust, federation: FederationId) -> ASGIApp:
    """Return the ASGI application. It holds no state of its own."""
    app = FastAPI(title="fedtrust aggregator", version="1", docs_url=None, redoc_url=None)

    @app.exception_handler(FedtrustError)
    async def refuse(_: Request, error: Exception) -> JSONResponse:
        known = cast(FedtrustError, error)
        return JSONResponse(known.to_json(), status_code=_status(known))

    @app.get("/health")
    def health() -> dict[str, object]:
        return federation.to_json()

    @app.get("/artifacts/{digest}")
    def artifact(digest: str) -> Response:
        path = store.path(from_hex("0x" + digest, 32, "artifact digest"))
        try:
            return Response(path.read_bytes(), media_type="application/octet-stream")
        except FileNotFoundError:
            return JSONResponse({"error": "ArtifactError", "message": f"no artifact {digest}"}, status_code=404)

    @app.get("/rounds/{round}/updates")
    def updates(round: RoundNumber) -> dict[str, str]:
        return {account: to_hex(digest) for account, digest in node.uploads(round).items()}

    @app.get("/rounds/{round}/aggregate")
    def aggregate(round: RoundNumber) -> Response:
        digest = node.aggregate(round)
        if digest is None:
            return JSONResponse({"error": "ArtifactError", "message": f"no aggregate of round {round}"}, 404)
        return JSONResponse({"digest": to_hex(digest)})

    @app.post("/rounds/{round}/updates")
    async def upload_update(round: RoundNumber, request: Request) -> Response:
        peer = trust.peer(getattr(request.state, _PEER), Role.PARTICIPANT)
        body = await _body(request, node.admission.largest_upload)
        receipt = await run_in_threadpool(node.receive_update, round, peer.account, body)
        return Response(receipt.to_bytes(), status_code=201, media_type="application/json")

    @app.post("/rounds/{round}/partials", status_code=201)
    async def upload_partial(round: RoundNumber, request: Request) -> dict[str, str]:
        peer = trust.peer(getattr(request.state, _PEER), Role.TRUSTEE)
        body = await _body(request, node.admission.largest_upload)
        return {"digest": to_hex(await run_in_threadpool(node.receive_partial, round, peer.account, body))}

    return app


async def _body(request: Request, limit: int) -> bytes:
    """Read the request's body, never more than ``limit`` bytes of it."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if limit == 0:
            raise NotYetError("no round is open", advice="wait for one")
        if size > limit:
            raise EncodingError("the upload is larger than anything this round admits", expected=f"<= {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def listen(host: str, port: int) -> socket.socket:
    """Bind a listening socket. Raises PortTakenError."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        if error.errno in (errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL):
            raise PortTakenError(
                f"cannot listen on {host}:{port}",
                got=error.strerror,
                advice="stop the process that holds the port, or choose another with --listen",
            ) from None
        raise
    sock.listen(128)
    sock.setblocking(False)
    return sock


class ServiceThread:
    """Runs the service in a thread of its own; a context manager that stops it on the way out."""

    def __init__(self, app: ASGIApp, sock: socket.socket, trust: ServerTrust) -> None:
        """Take the bound socket and the TLS context; nothing is served before ``__enter__``."""
        config = uvicorn.Config(
            app,
            http=_PeerCertificateProtocol,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            # idle clients never answer TLS's goodbye; every request may be repeated, so none is waited for long
            timeout_graceful_shutdown=1,
        )
        config.load()
        config.ssl = trust.context
        self._server = uvicorn.Server(config)
        self._socket = sock
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[sock])), name="service", daemon=True
        )
        host, port = sock.getsockname()[:2]
        self.url = f"https://{'[' + host + ']' if ':' in host else host}:{port}"

    def __enter__(self) -> ServiceThread:
        """Start serving; returns when connections are accepted. Raises PeerUnreachableError if it cannot start."""
        self._thread.start()
        waiting = threading.Event()
        for _ in range(600):
            if self._server.started:
                return self
            if not self._thread.is_alive():
                break
            waiting.wait(0.05)
        raise PeerUnreachableError(f"the service at {self.url} did not start")

    def __exit__(self, *_: object) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        self._socket.close()
