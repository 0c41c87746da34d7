"""Connect to a JSON-RPC endpoint: bounded time, retries of what is worth retrying, and typed errors.

Every request that the ledger makes may be repeated safely (a signed transaction has one hash, however often it is
sent), so transient failures are retried here, in one place, for all of them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception
from web3.middleware import ExtraDataToPOAMiddleware
from web3.types import RPCEndpoint, RPCResponse

from fedtrust.errors import ConfigurationError, LedgerError, RpcUnreachableError, WrongChainError

REQUEST_TIMEOUT: Final = 10.0
"""Seconds that one request may take."""

RETRY_FOR: Final = 15.0
"""Seconds during which a failing request is repeated before we give up."""

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_LOOPBACK_CONNECTIONS: Final = 32
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_TRANSIENT_STATUS: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class RetryingHttpProvider(HTTPProvider):
    """An HTTP provider that repeats transient failures until ``retry_for`` seconds are over.

    Raises RpcUnreachableError when the endpoint stays silent, refuses us, or does not speak JSON-RPC. An answer that
    is a JSON-RPC error is an answer and is returned.
    """

    def __init__(self, url: str, *, timeout: float = REQUEST_TIMEOUT, retry_for: float = RETRY_FOR) -> None:
        """Remember the endpoint; nothing is sent yet. Times in seconds."""
        super().__init__(
            url,
            request_kwargs={"timeout": timeout},
            session=_direct_session() if urlsplit(url).hostname in _LOOPBACK else None,
            exception_retry_configuration=None,
        )
        self._retry_for: Final = retry_for
        self._shown: Final = redacted(url)

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Send one request and return its answer."""
        deadline = time.monotonic() + self._retry_for
        pause = _FIRST_PAUSE
        while True:
            try:
                return super().make_request(method, params)
            except requests.HTTPError as error:
                status = error.response.status_code if error.response is not None else 0
                reason = f"HTTP status {status}"
                transient = status in _TRANSIENT_STATUS
            except (requests.ConnectionError, requests.Timeout) as error:
                # the exception's text holds the whole URL, which may hold an access token
                reason = f"no connection ({type(error).__name__})"
                transient = True
            except (requests.RequestException, json.JSONDecodeError, UnicodeDecodeError) as error:
                reason = f"not an answer in JSON-RPC ({type(error).__name__})"
                transient = False
            if not transient or time.monotonic() + pause >= deadline:
                raise RpcUnreachableError(
                    f"the RPC endpoint {self._shown} does not answer {method}",
                    expected="a JSON-RPC answer",
                    got=reason,
                    advice="start the node, or check --rpc and the network in between",
                )
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def web3_for(provider: RetryingHttpProvider) -> Web3:
    """Return a ``Web3`` on ``provider`` with only the middleware that the ledger needs; sends nothing."""
    web3 = Web3(provider)
    # it would ask for the chain id before every call; what we sign carries the chain id anyway
    web3.middleware_onion.remove("validation")
    # permissioned chains put signatures into a block's extra data, which web3 refuses without this
    web3.middleware_onion.inject(ExtraDataToPOAMiddleware, layer=0)
    return web3


def connect(
    rpc_url: str,
    expected_chain_id: int | None = None,
    *,
    timeout: float = REQUEST_TIMEOUT,
    retry_for: float = RETRY_FOR,
) -> Web3:
    """Return a ``Web3`` for ``rpc_url`` that has answered once.

    ``timeout`` bounds one request and ``retry_for`` its repetition, in seconds. Raises ConfigurationError for a URL
    that is not http(s), RpcUnreachableError, and WrongChainError if the chain id is not ``expected_chain_id``.
    """
    parts = urlsplit(rpc_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            "the RPC URL is not one we can use", expected="http://... or https://...", got=redacted(rpc_url)
        )
    web3 = web3_for(RetryingHttpProvider(rpc_url, timeout=timeout, retry_for=retry_for))
    try:
        chain_id = web3.eth.chain_id
    except (Web3Exception, ValueError, TypeError, KeyError) as error:
        raise RpcUnreachableError(
            f"{redacted(rpc_url)} answers, but not like an Ethereum node",
            expected="a chain id",
            got=type(error).__name__,
            advice="check --rpc, and whether the endpoint wants an access token",
        ) from error
    if expected_chain_id is not None and chain_id != expected_chain_id:
        raise WrongChainError(
            f"{redacted(rpc_url)} is a node of another chain",
            expected=f"chain id {expected_chain_id}",
            got=f"chain id {chain_id}",
            advice="check --rpc, or the chain id in the federation's configuration",
        )
    return web3


@contextmanager
def node_errors(asked: str) -> Iterator[None]:
    """Turn what web3 raises about a node's strange answer into a LedgerError that says what was ``asked``."""
    try:
        yield
    except Web3Exception as error:
        raise LedgerError(
            f"the node gave no usable answer to {asked}",
            got=f"{type(error).__name__}: {str(error)[:200]}",
            advice="try again, or use another endpoint",
        ) from error


def redacted(rpc_url: str) -> str:
    """Return ``rpc_url`` without user, password, path and query, which may be access tokens."""
    parts = urlsplit(rpc_url)
    host = parts.hostname or ""
    try:
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        port = ""
    return f"{parts.scheme}://{host}{port}"


def _direct_session() -> requests.Session:
    """Return a session that ignores the environment's proxies, which cannot reach our own loopback."""
    session = requests.Session()
    session.trust_env = False
    session.mount("http://", HTTPAdapter(pool_maxsize=_LOOPBACK_CONNECTIONS))
    return session
