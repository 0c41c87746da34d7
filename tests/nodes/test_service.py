"""The aggregator's service on real sockets: who is let in to what, and what a strange peer can do to us."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest

from fedtrust.crypto.encoding import sha256
from fedtrust.errors import (
    ArtifactError,
    CertificateMismatchError,
    EncodingError,
    IdentityError,
    PeerRefusedError,
    PeerUnreachableError,
    PortTakenError,
)
from fedtrust.ledger.memory import MemoryLedger
from fedtrust.ledger.types import Role, Status
from fedtrust.nodes.client import HttpsClient, HttpsDirectory, TryLaterError
from fedtrust.nodes.identity import Identity
from fedtrust.nodes.service import listen
from fedtrust.nodes.tls import ServerTrust, client_context, verify_registration
from tests.ledger.registered import Member, register_members
from tests.nodes.conftest import Serve
from tests.nodes.expectations import require_audited, simulated_models
from tests.nodes.harness import InProcessFederation
from tests.nodes.misbehaving import lying
from tests.nodes.served import ServedFederation

Identities = dict[str, Identity]


def test_a_whole_round_over_tls(serve: Serve) -> None:
    with serve(rounds=1) as federation:
        federation.rebuild_clients()
        federation.run()
        assert federation.models() == simulated_models(federation)
        assert federation.chain.round(1).accepted == 0b11
        require_audited(federation)
        reader = federation.https(None).artifacts
        model = federation.models()[0]
        assert sha256(reader.get(model)) == model


def test_a_wrong_partial_is_refused_over_tls_with_its_trustees_name(serve: Serve) -> None:
    with serve(rounds=1) as federation:
        federation.rebuild_clients()
        liar = federation.trustees["trustee-1"]
        lying(liar)
        for _ in range(200):
            if liar.refusal is not None:
                break
            if not federation.step():
                federation.chain.advance(1)
                federation.chain.mine()
        refusal = liar.refusal
        assert isinstance(refusal, PeerRefusedError)
        assert f"trustee 2 ({federation.address('trustee-1')})" in refusal.message
        assert refusal.expected
        assert refusal.advice
        assert federation.address("trustee-1") in federation.disk("aggregator").state.all("refused", 1)


# who may do what


def test_registered_nodes_are_recognised(served: ServedFederation) -> None:
    """They get as far as the round, which is not open yet."""
    for name in ("cleveland", "hungary"):
        with pytest.raises(TryLaterError, match=r"no round is open|not open yet"):
            served.https(name).upload_update(1, b"x")
    with pytest.raises(TryLaterError, match=r"no round is open|not open yet"):
        served.https("trustee-1").upload_partial(1, b"x")


def test_an_anonymous_reader_reads_everything_and_hands_in_nothing(served: ServedFederation) -> None:
    client = served.https(None)
    digest = served.folder_store.put(b"some artifact")
    assert client.artifacts.get(digest) == b"some artifact"
    assert client.uploads(1) == {}
    for upload in (client.upload_update, client.upload_partial):
        with pytest.raises(CertificateMismatchError, match="no client certificate was presented"):
            upload(1, b"x")


def test_a_certificate_that_is_registered_nowhere_gets_nothing(served: ServedFederation) -> None:
    """asyncio drops TLS's own reason, so the client can only guess; a node tries again: it may be registered soon."""
    client = served.https("stranger")
    for attempt in (lambda: client.upload_update(1, b"x"), lambda: client.uploads(1)):
        with pytest.raises(PeerUnreachableError, match="hangs up") as error:
            attempt()
        assert "registered on chain" in str(error.value.advice)


def test_a_server_that_says_why_it_refused_our_certificate_is_understood(
    served: ServedFederation, identities: Identities
) -> None:
    """With TLS 1.3 the refusal comes at the first read."""
    with lying_server(identities["aggregator"], http(b"{}")) as url:
        context = client_context(identities["stranger"], served.ledger("operator").identities())
        client = HttpsClient(url, context)
        with pytest.raises(CertificateMismatchError, match="refused our TLS certificate") as error:
            client.uploads(1)
        assert "registered" in str(error.value.advice)
        client.close()


@pytest.mark.parametrize("name", ["trustee-0", "aggregator"])
def test_another_role_hands_in_no_updates(served: ServedFederation, name: str) -> None:
    with pytest.raises(PeerRefusedError, match="has another role") as error:
        served.https(name).upload_update(1, b"x")
    assert error.value.expected == "participant"


def test_a_participant_hands_in_no_partials(served: ServedFederation) -> None:
    with pytest.raises(PeerRefusedError, match="has another role") as error:
        served.https("cleveland").upload_partial(1, b"x")
    assert error.value.expected == "trustee"


def test_registrations_and_revocations_take_effect_while_it_runs(serve: Serve, identities: Identities) -> None:
    with serve() as federation:
        operator = InProcessFederation.ledger(federation, "operator")
        hungary = federation.https("hungary")
        with pytest.raises(TryLaterError):
            hungary.upload_update(1, b"x")
        operator.revoke_identity(federation.address("hungary"))
        federation.trust.follow(operator.identities())
        with pytest.raises(PeerRefusedError, match="is revoked"):
            hungary.upload_update(1, b"x")
        with pytest.raises(PeerRefusedError, match="is revoked"):
            federation.https("hungary").upload_update(1, b"x")
        stranger = identities["stranger"].public
        member = Member(stranger.account, Role.PARTICIPANT, stranger.certificate)
        register_members(operator, lambda account: MemoryLedger(federation.chain, account), [member])
        federation.trust.follow(operator.identities())
        with pytest.raises(TryLaterError):
            federation.https("stranger").upload_update(1, b"x")


def test_a_server_whose_certificate_is_registered_nowhere_is_refused(
    served: ServedFederation, identities: Identities
) -> None:
    registered = served.ledger("operator").identity(served.address("aggregator"))
    assert registered is not None
    public = identities["impostor"].public
    other = replace(
        registered,
        account=public.account,
        certificate=public.certificate,
        certificate_fingerprint=public.certificate_fingerprint,
    )
    for own in (None, identities["cleveland"]):
        client = HttpsClient(served.url or "", client_context(own, [other]))
        with pytest.raises(CertificateMismatchError, match="not registered on chain for an aggregator"):
            client.uploads(1)
        client.close()


def test_trust_knows_roles_and_revocations(served: ServedFederation, identities: Identities) -> None:
    certificate = identities["cleveland"].public.certificate
    assert served.trust.peer(certificate, Role.PARTICIPANT).account == served.address("cleveland")
    with pytest.raises(IdentityError, match="another role"):
        served.trust.peer(certificate, Role.TRUSTEE)
    with pytest.raises(CertificateMismatchError, match="not registered"):
        served.trust.peer(identities["stranger"].public.certificate, Role.PARTICIPANT)
    with pytest.raises(CertificateMismatchError, match="no client certificate"):
        served.trust.peer(None, Role.PARTICIPANT)
    with pytest.raises(IdentityError, match="no aggregator is registered"):
        client_context(identities["cleveland"], [])


def test_a_client_trusts_no_revoked_aggregator_with_uploads(served: ServedFederation, identities: Identities) -> None:
    registered = served.ledger("operator").identity(served.address("aggregator"))
    assert registered is not None
    revoked = replace(registered, status=Status.REVOKED)
    with pytest.raises(IdentityError, match="no aggregator is registered"):
        client_context(identities["cleveland"], [revoked])
    reader = HttpsClient(served.url or "", client_context(None, [revoked]))
    assert reader.uploads(1) == {}, "a reader sends nothing and verifies all it gets"
    reader.close()


IN_FORCE = (Status.ACTIVE, Status.LEAVING)


def test_who_is_admitted_only_is_told_to_register(served: ServedFederation, identities: Identities) -> None:
    public = identities["cleveland"].public
    registered = served.ledger("operator").identity(public.account)
    assert registered is not None
    with pytest.raises(IdentityError, match="did not register yet") as error:
        verify_registration(public, replace(registered, status=Status.ADMITTED))
    assert "fedtrust register" in str(error.value.advice)


def test_our_own_registration_is_checked_before_we_start(served: ServedFederation, identities: Identities) -> None:
    public = identities["cleveland"].public
    registered = served.ledger("operator").identity(public.account)
    assert registered is not None
    assert verify_registration(public, registered) == registered
    for other, kind in (
        (None, IdentityError),
        *((replace(registered, status=status), IdentityError) for status in Status if status not in IN_FORCE),
        (replace(registered, role=Role.TRUSTEE), IdentityError),
        (replace(registered, certificate_fingerprint=bytes(32)), CertificateMismatchError),
    ):
        with pytest.raises(kind):
            verify_registration(public, other)


# several aggregators


def test_an_aggregator_is_found_among_addresses_by_its_certificate(
    served: ServedFederation, identities: Identities
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"https://127.0.0.1:{free.getsockname()[1]}"
    registered = served.ledger("operator").identity(served.address("aggregator"))
    assert registered is not None
    public = identities["impostor"].public
    other = replace(
        registered,
        account=public.account,
        certificate=public.certificate,
        certificate_fingerprint=public.certificate_fingerprint,
    )
    known = [registered, other]
    own, url = identities["cleveland"], served.url or ""
    directory = HttpsDirectory([nobody, url], own, lambda: known)
    found = directory.client(registered.account)
    assert found.uploads(1) == {}
    assert directory.client(registered.account) is found, "one connection is kept"
    with pytest.raises(PeerUnreachableError, match="does not answer"):
        directory.client(other.account)  # it may be the address where nobody answers now
    with pytest.raises(PeerUnreachableError, match="not registered"):
        directory.client(served.address("stranger"))
    known[0] = replace(registered, status=Status.SLASHED)
    with pytest.raises(PeerUnreachableError, match="SLASHED"):
        directory.client(registered.account)
    directory.close()
    only = HttpsDirectory([url], own, lambda: [registered, other])
    with pytest.raises(CertificateMismatchError):
        only.client(other.account)
    only.close()
    with pytest.raises(PeerUnreachableError, match="no address"):
        HttpsDirectory([], own, lambda: known[1:]).client(other.account)


def test_the_aggregate_of_a_round_that_has_none_is_nothing(served: ServedFederation) -> None:
    assert served.https(None).aggregate(1) is None
    assert get(served, "/rounds/1/aggregate").status_code == 404


def test_a_certificate_that_was_rotated_away_is_nobodys(serve: Serve, identities: Identities) -> None:
    with serve() as federation:
        hungary = federation.https("hungary")
        with pytest.raises(TryLaterError):
            hungary.upload_update(1, b"x")
        newer = identities["stranger"].public.certificate
        federation.ledger("hungary").rotate_identity(federation.address("hungary"), newer, bytes(32))
        federation.trust.follow(federation.ledger("operator").identities())
        with pytest.raises(CertificateMismatchError, match="not registered"):
            hungary.upload_update(1, b"x")
        with pytest.raises(TryLaterError):
            federation.https("stranger").upload_update(1, b"x")
        assert federation.trust.peer(newer, Role.PARTICIPANT).account == federation.address("hungary")


# the connection itself


def port_of(federation: ServedFederation) -> int:
    return int((federation.url or "").rsplit(":", 1)[1])


def plain_context(served: ServedFederation) -> ssl.SSLContext:
    """Return a context that trusts the aggregator and allows everything else."""
    return client_context(None, served.ledger("operator").identities())


def test_tls_1_2_is_refused(served: ServedFederation) -> None:
    context = plain_context(served)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", port_of(served)), timeout=10) as raw,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(raw)


def test_tls_1_3_is_what_is_spoken(served: ServedFederation) -> None:
    with (
        socket.create_connection(("127.0.0.1", port_of(served)), timeout=10) as raw,
        plain_context(served).wrap_socket(raw) as line,
    ):
        assert line.version() == "TLSv1.3"
        assert sha256(line.getpeercert(binary_form=True) or b"") == (
            served._identities["aggregator"].public.certificate_fingerprint
        )


def test_plain_http_gets_nothing(served: ServedFederation) -> None:
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{port_of(served)}/health", timeout=10, trust_env=False)


def get(served: ServedFederation, path: str, **options: object) -> httpx.Response:
    with httpx.Client(verify=plain_context(served), timeout=10, trust_env=False) as client:
        return client.get(f"{served.url}{path}", **options)  # type: ignore[arg-type]


def test_health_says_which_federation_this_is(served: ServedFederation) -> None:
    assert get(served, "/health").json() == {
        "chain_id": served.chain.chain_id,
        "contract": served.chain.contract,
    }


@pytest.mark.parametrize(
    "path",
    [
        "/artifacts/",
        "/artifacts/zz",
        "/artifacts/" + "ab" * 31,
        "/artifacts/" + "AB" * 32,
        "/artifacts/../../../etc/passwd",
        "/artifacts/..%2f..%2f..%2fetc%2fpasswd",
        "/artifacts/%00",
        "/rounds/0/updates",
        "/rounds/-1/updates",
        "/rounds/x/updates",
        "/rounds/1.5/updates",
        "/rounds/" + "9" * 30 + "/updates",
        "/docs",
        "/nothing",
    ],
)
def test_strange_paths_are_refused_and_break_nothing(served: ServedFederation, path: str) -> None:
    response = get(served, path)
    assert 400 <= response.status_code < 500, response.text
    assert b"root:" not in response.content


def test_a_missing_artifact_is_missing(served: ServedFederation) -> None:
    with pytest.raises(ArtifactError, match="missing"):
        served.https(None).artifacts.get(sha256(b"never stored"))


def test_an_altered_artifact_is_noticed_by_the_reader(served: ServedFederation) -> None:
    digest = served.folder_store.put(b"will rot")
    served.folder_store.path(digest).write_bytes(b"rotten")
    with pytest.raises(ArtifactError, match="altered"):
        served.https(None).artifacts.get(digest)


def test_the_port_of_somebody_else_is_said_to_be_taken(served: ServedFederation) -> None:
    with pytest.raises(PortTakenError, match=f"cannot listen on 127.0.0.1:{port_of(served)}") as error:
        listen("127.0.0.1", port_of(served))
    assert "--listen" in str(error.value.advice)
    with pytest.raises(PortTakenError):
        listen("203.0.113.1", 0)


def test_nobody_listening_is_unreachable(served: ServedFederation) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = HttpsClient(f"https://127.0.0.1:{port}", plain_context(served))
    with pytest.raises(PeerUnreachableError, match="does not answer"):
        client.uploads(1)
    client.close()


# too much


def test_a_body_beyond_what_a_round_admits_is_refused_early(serve: Serve, identities: Identities) -> None:
    """The sender wants to send 1 GiB; it is refused, and no more than buffers full of it are taken."""
    with serve() as federation:
        while federation.aggregator.admission.largest_upload == 0:
            federation.step()
        limit = federation.aggregator.admission.largest_upload
        assert limit < 1 << 20
        context = client_context(identities["cleveland"], federation.ledger("operator").identities())
        with (
            socket.create_connection(("127.0.0.1", port_of(federation)), timeout=20) as raw,
            context.wrap_socket(raw) as line,
        ):
            line.sendall(b"POST /rounds/1/updates HTTP/1.1\r\nHost: aggregator\r\nTransfer-Encoding: chunked\r\n\r\n")
            chunk = b"10000\r\n" + bytes(0x10000) + b"\r\n"
            sent, answer = 0, b""
            line.settimeout(0.05)
            while sent < 1 << 30 and b"\r\n\r\n" not in answer:
                try:
                    line.sendall(chunk)
                    sent += len(chunk)
                except (TimeoutError, OSError):
                    pass
                try:
                    answer += line.recv(65536)
                except (TimeoutError, OSError):
                    continue
                if not answer:
                    break
        assert b"422" in answer.split(b"\r\n")[0]
        assert b"larger than anything" in answer or b"content-length" in answer.lower()
        assert sent < limit + (64 << 20)


def test_a_body_just_beyond_the_limit_is_refused_by_size(serve: Serve) -> None:
    with serve() as federation:
        while federation.aggregator.admission.largest_upload == 0:
            federation.step()
        limit = federation.aggregator.admission.largest_upload
        client = federation.https("cleveland")
        with pytest.raises(PeerRefusedError, match="larger than anything this round admits"):
            client.upload_update(1, bytes(limit + 1))
        with pytest.raises(PeerRefusedError) as error:
            client.upload_update(1, bytes(limit))
        assert "larger" not in error.value.message
        assert client.uploads(1).keys() <= {federation.address("cleveland"), federation.address("hungary")}


# a lying server: our clients say what is wrong, by type


Answer = Callable[[bytes], bytes]


@contextmanager
def lying_server(identity: Identity, answer: bytes) -> Iterator[str]:
    """Serve ``answer`` to every request, with a certificate that is registered."""
    context = ServerTrust(identity).context
    stop = threading.Event()

    def serve_one(raw: socket.socket) -> None:
        raw.settimeout(10)
        try:
            with context.wrap_socket(raw, server_side=True) as line:
                line.recv(65536)
                line.sendall(answer)
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def accept() -> None:
            while not stop.is_set():
                try:
                    raw, _ = server.accept()
                except TimeoutError:
                    continue
                serve_one(raw)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.getsockname()[1]}"
        finally:
            stop.set()
            thread.join(timeout=20)


def http(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n".encode() + body


LIES: dict[str, tuple[bytes, type[Exception]]] = {
    "no JSON": (http(b"<html>"), PeerRefusedError),
    "not UTF-8": (http(b"\xff\xfe\xfd"), PeerRefusedError),
    "an array": (http(b"[]"), PeerRefusedError),
    "nesting": (http(b"[" * 200_000), PeerRefusedError),
    "no address": (http(json.dumps({"x": "0x" + "00" * 32}).encode()), EncodingError),
    "no digest": (http(json.dumps({"0x5FbDB2315678afecb367f032d93F642f64180aa3": 5}).encode()), EncodingError),
    "an error without JSON": (http(b"oops", "500 Internal Server Error"), PeerRefusedError),
    "an error of another shape": (http(b"[1]", "422 Unprocessable Entity"), PeerRefusedError),
    "an error with other types": (http(b'{"message": [1], "got": {}}', "409 Conflict"), PeerRefusedError),
    "a redirect": (http(b"", "302 Found", "Location: https://elsewhere.example/\r\n"), PeerRefusedError),
    "broken compression": (http(b"not gzip", headers="Content-Encoding: gzip\r\n"), PeerUnreachableError),
    "no HTTP": (b"\0\1\2\3" * 100, PeerUnreachableError),
    "nothing": (b"", PeerUnreachableError),
    "half an answer": (http(b"{}")[:-1], PeerUnreachableError),
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_strange_answer_is_a_typed_error(lie: str, served: ServedFederation, identities: Identities) -> None:
    answer, kind = LIES[lie]
    with lying_server(identities["aggregator"], answer) as url:
        client = HttpsClient(url, plain_context(served))
        with pytest.raises(kind):
            client.uploads(1)
        client.close()
