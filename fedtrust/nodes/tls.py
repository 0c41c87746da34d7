"""TLS 1.3 with the chain as the certificate authority: only registered certificates are trusted, by fingerprint."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from pathlib import Path

from fedtrust.crypto.encoding import sha256, to_hex
from fedtrust.errors import CertificateMismatchError, IdentityError, KeyFileError
from fedtrust.ledger.types import Address, Identity, Role
from fedtrust.nodes import identity as identity_folder
from fedtrust.nodes.standing import in_force, require_in_force


def _load_own_certificate(context: ssl.SSLContext, identity: identity_folder.Identity) -> None:
    path: Path = identity.folder / identity_folder.TLS_FILE
    try:
        context.load_cert_chain(path, password=identity.tls_password)
    except FileNotFoundError:
        raise KeyFileError(f"{path} does not exist", advice="restore it or make a new identity") from None
    except ssl.SSLError:
        raise KeyFileError(
            f"{path} does not open with the password in {identity_folder.SECRETS_FILE}",
            expected="the file that was made with it",
            advice="one of the two was altered or exchanged: restore the folder from a copy",
        ) from None


def _trust(context: ssl.SSLContext, certificates: Iterable[bytes]) -> None:
    # each registered certificate is its own anchor: there is no authority but the chain
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    for certificate in certificates:
        context.load_verify_locations(cadata=certificate)


class ServerTrust:
    """The aggregator's server side: a TLS context that follows the registrations on chain."""

    def __init__(self, own: identity_folder.Identity) -> None:
        """Open our own certificate. Clients without one are let in as anonymous readers."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.verify_mode = ssl.CERT_OPTIONAL
        _load_own_certificate(self.context, own)
        self._known: dict[bytes, Identity] = {}
        self._trusted: set[bytes] = set()

    def follow(self, identities: Iterable[Identity]) -> None:
        """Take over what the chain says now; revocations and rotations take effect at the next request."""
        known = {identity.certificate_fingerprint: identity for identity in identities}
        for fingerprint, identity in known.items():
            if fingerprint not in self._trusted:
                _trust(self.context, [identity.certificate])
                self._trusted.add(fingerprint)
        self._known = known  # a certificate that was rotated away still connects, and is nobody's

    def peer(self, certificate: bytes | None, role: Role) -> Identity:
        """Return who presented ``certificate``. Raises CertificateMismatchError or IdentityError."""
        if certificate is None:
            raise CertificateMismatchError(
                "no client certificate was presented",
                advice=f"use the identity folder of a registered {role.name.lower()}",
            )
        identity = self._known.get(sha256(certificate))
        if identity is None:
            raise CertificateMismatchError(
                "the client certificate is not registered on chain", got=to_hex(sha256(certificate))
            )
        require_in_force(identity)
        if identity.role is not role:
            raise IdentityError(
                f"{identity.account} has another role", expected=role.name.lower(), got=identity.role.name.lower()
            )
        return identity


def client_context(own: identity_folder.Identity | None, aggregators: Iterable[Identity]) -> ssl.SSLContext:
    """Return a context that trusts the registered aggregators only, and presents our certificate if we have one.

    The registered certificate itself is pinned, so host names prove nothing more and are not compared. A reader
    without a certificate sends nothing and verifies all it gets, so it may read from a revoked aggregator too.
    """
    certificates = [i.certificate for i in aggregators if i.role is Role.AGGREGATOR and (own is None or in_force(i))]
    if not certificates:
        raise IdentityError("no aggregator is registered on chain", advice="register one first")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    _trust(context, certificates)
    if own is not None:
        _load_own_certificate(context, own)
    return context


def verify_registration(own: identity_folder.PublicIdentity, registered: Identity | None) -> Identity:
    """Check that our identity folder is what the chain has registered for our account; returns the registration.

    Raises IdentityError (not in force, see standing.py, or of another role) or CertificateMismatchError.
    """
    account: Address = own.account
    if registered is None:
        raise IdentityError(
            f"{account} is not registered",
            expected=f"a registered {own.role.name.lower()}",
            got="nothing on chain",
            advice="send identity.json to the operator, who runs `fedtrust admit`; then run `fedtrust register`",
        )
    require_in_force(registered)
    if registered.role is not own.role:
        raise IdentityError(
            f"{account} is registered for another role",
            expected=own.role.name.lower(),
            got=registered.role.name.lower(),
        )
    if registered.certificate_fingerprint != own.certificate_fingerprint:
        raise CertificateMismatchError(
            f"the TLS certificate of {account} is not the one registered on chain",
            expected=to_hex(registered.certificate_fingerprint),
            got=to_hex(own.certificate_fingerprint),
            advice="use the identity folder that was registered",
        )
    return registered
