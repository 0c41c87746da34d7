"""Every bad input that a command can refuse by itself: its exit code, its message, and the same as JSON.

One row of SITUATIONS is one situation. The commands run in this process, through the entry point that the installed
``fedtrust`` calls; what needs running nodes is in test_bad_rounds.py.
"""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from fedtrust.errors import ExitCode
from fedtrust.ledger.devnet import free_port
from fedtrust.ledger.types import Address, Role
from fedtrust.nodes.identity import create_identity, open_identity
from fedtrust.store.state import NodeState
from tests.cli.contracts import SILENT, impostor, place
from tests.e2e.federation import Federation, environment, fedtrust_here
from tests.e2e.people import PASSPHRASE, cheap_keystores

pytestmark = pytest.mark.timeout(120)

NOBODY = Address("0x000000000000000000000000000000000000dEaD")
TEST_KEY = Path(__file__).parents[1] / "fixtures" / "test_key_2048.json"


@dataclass
class Scene:
    """A federation, a folder of one's own, and what a situation needs until it is over."""

    made: Federation
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    stack: ExitStack = field(default_factory=ExitStack)

    # pieces of commands

    def node(self, role: str, **replaced: object) -> list[object]:
        """Return the command line of a node, with options replaced (None: left out)."""
        words = list(self.made.arguments({"participant": "cleveland", "trustee": "trustee-1"}.get(role, role)))
        words.remove("--json")
        replaced = {"home": self.folder / "home", **replaced}
        for option, value in replaced.items():
            flag = "--" + option.replace("_", "-")
            place_of = words.index(flag)
            words[place_of : place_of + 2] = [] if value is None else [flag, value]
        return words

    def status(self, *more: object, rpc: object = None, contract: object = None) -> list[object]:
        rpc, contract = rpc or self.made.devnet.rpc_url, contract or self.made.contract
        return ["status", "--rpc", rpc, "--contract", contract, *more]

    def operator(self, command: str, *more: object, identity: str = "operator") -> list[object]:
        folder = self.made.people.identity(identity)
        home = ("--home", self.folder / "home")
        return [command, "--rpc", self.made.devnet.rpc_url, "--identity", folder, *home, *self.made.passphrase, *more]

    def ceremony(self, *more: object) -> list[object]:
        return ["ceremony", "--test-key", TEST_KEY, "--out", self.folder / "key", *more]

    # things that are wrong

    def file(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def identity_without(self, name: str, file: str, content: str | None = None) -> Path:
        """Copy the identity of ``name`` and remove or overwrite one file."""
        copy = self.folder / "damaged"
        shutil.copytree(self.made.people.identity(name), copy)
        (copy / file).unlink()
        if content is not None:
            (copy / file).write_text(content)
        return copy

    def identity_with_secrets_of(self, name: str, other: str) -> Path:
        copy = self.identity_without(name, "secrets.key")
        shutil.copy(self.made.people.identity(other) / "secrets.key", copy)
        return copy

    def earlier_identity(self, name: str) -> Path:
        """Copy the identity of ``name`` and make it look as folders did before there were key files."""
        copy = self.identity_without(name, "secrets.key")
        (copy / "sealing.pem").write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\n")
        return copy

    def stranger(self, role: Role, private_key: bytes | None = None) -> Path:
        """Make an identity that nobody registered; with somebody's ``private_key``, a second certificate of theirs."""
        with cheap_keystores():
            create_identity(self.folder / "stranger", role, PASSPHRASE, private_key=private_key)
        return self.folder / "stranger"

    def second_certificate(self, name: str) -> Path:
        own = self.made.people.open(name)
        return self.stranger(own.public.role, own.private_key)

    def revoked(self) -> Path:
        """Admit and register a participant, and revoke it."""
        folder = self.admitted(Role.PARTICIPANT)
        own = ("--identity", folder, "--home", self.folder / "own", *self.made.passphrase)
        outcome = fedtrust_here("register", *self.made.chain, *own)
        assert outcome.code == ExitCode.OK, outcome.err
        account = json.loads((folder / "identity.json").read_text())["account"]
        self.made.operate("revoke", "--contract", self.made.contract, account)
        return folder

    def admitted(self, role: Role) -> Path:
        """Admit somebody who has the money to register, and does not."""
        folder = self.stranger(role)
        money = ("--gas-money", 1, "--stake-money")
        self.made.operate("admit", "--contract", self.made.contract, *money, folder)
        return folder

    def contract(self, code: bytes) -> Address:
        place(self.made.devnet, NOBODY, code)
        self.stack.callback(place, self.made.devnet, NOBODY, b"")
        return NOBODY

    def taken_port(self) -> int:
        sock = self.stack.enter_context(socket.socket())
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        port: int = sock.getsockname()[1]
        return port

    def web_page(self) -> str:
        return self.stack.enter_context(_serving(None))

    def unregistered_server(self) -> str:
        identity = self.stranger(Role.AGGREGATOR)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity / "tls.pem", password=open_identity(identity, PASSPHRASE).tls_password)
        return self.stack.enter_context(_serving(context))

    def with_another_federations_home(self, words: list[object]) -> list[object]:
        state = NodeState(self.folder / "home" / "state.sqlite")
        state.bind(1, NOBODY)
        state.close()
        return words

    def without_passphrase(self, words: list[object]) -> list[object]:
        self.monkeypatch.delenv("FEDTRUST_PASSPHRASE", raising=False)
        return words


class _Page(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>It works!</html>")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def _serving(context: ssl.SSLContext | None) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake is what we are here for
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


Command = Callable[[Scene], list[object]]

# situation -> (command, exit code, words of the message)
SITUATIONS: dict[str, tuple[Command, ExitCode, tuple[str, ...]]] = {
    # the chain
    "the RPC endpoint is something else": (
        lambda s: s.status(rpc=s.web_page()),
        ExitCode.RPC_UNREACHABLE,
        ("does not answer", "not an answer in JSON-RPC", "start the node"),
    ),
    "the RPC address is malformed": (
        lambda s: s.status(rpc="ftp://127.0.0.1"),
        ExitCode.CONFIGURATION,
        ("RPC URL", "http://"),
    ),
    "wrong chain": (
        lambda s: s.status("--chain-id", 5),
        ExitCode.WRONG_CHAIN,
        ("another chain", "chain id 5", "chain id 31337"),
    ),
    "wrong chain, as a node": (
        lambda s: [*s.node("trustee"), "--chain-id", 5],
        ExitCode.WRONG_CHAIN,
        ("another chain", "chain id 5", "chain id 31337"),
    ),
    "no contract at the address": (
        lambda s: s.status(contract=NOBODY),
        ExitCode.CONTRACT_MISSING,
        ("no Federation contract", NOBODY, "no code", "check the contract address"),
    ),
    "a contract that answers nothing": (
        lambda s: s.status(contract=s.contract(SILENT)),
        ExitCode.CONTRACT_MISSING,
        ("no Federation contract", "without contractName()"),
    ),
    "a contract of another name": (
        lambda s: s.status(contract=s.contract(impostor("Lottery", 1))),
        ExitCode.CONTRACT_MISSING,
        ("no Federation contract", "'Lottery'"),
    ),
    "a contract of another version": (
        lambda s: s.status(contract=s.contract(impostor("fedtrust.Federation", 999))),
        ExitCode.CONTRACT_VERSION,
        ("another version", "version 999", "the release of fedtrust that the federation was deployed with"),
    ),
    "an operator's command by somebody else": (
        lambda s: s.operator("revoke", "--contract", s.made.contract, s.made.people.account("va"), identity="hungary"),
        ExitCode.TRANSACTION_FAILED,
        ("the contract refused", "OwnableUnauthorizedAccount", "only the operator"),
    ),
    "revoking an account that was never registered": (
        lambda s: s.operator("revoke", "--contract", s.made.contract, NOBODY),
        ExitCode.TRANSACTION_FAILED,
        ("the contract refused",),
    ),
    "a deployment without ether": (
        lambda s: s.operator("deploy", "--manifest", s.made.key / "manifest.json", identity="va"),
        ExitCode.TRANSACTION_FAILED,
        ("the deployment", "ether"),
    ),
    # the network
    "the aggregator's port is taken": (
        lambda s: s.node("aggregator", listen=f"127.0.0.1:{s.taken_port()}"),
        ExitCode.PORT_TAKEN,
        ("cannot listen on 127.0.0.1:", "choose another with --listen"),
    ),
    "the devnet's port is taken": (
        lambda s: ["devnet", "--port", s.taken_port(), "--out", s.folder / "devnet"],
        ExitCode.PORT_TAKEN,
        ("in use", "choose another port"),
    ),
    "the aggregator is unreachable": (
        lambda s: ["audit", *s.made.chain, "--artifacts", f"https://127.0.0.1:{free_port()}"],
        ExitCode.PEER_UNREACHABLE,
        ("does not answer", "is the aggregator running there?"),
    ),
    "a server with a certificate that nobody registered": (
        lambda s: ["audit", *s.made.chain, "--artifacts", s.unregistered_server()],
        ExitCode.CERTIFICATE_MISMATCH,
        ("presented a certificate that is not registered on chain", "somebody else may be answering there"),
    ),
    "our certificate is not the registered one": (
        lambda s: s.node("participant", identity=s.second_certificate("cleveland")),
        ExitCode.CERTIFICATE_MISMATCH,
        ("the TLS certificate of", "not the one registered on chain", "use the identity folder that was registered"),
    ),
    "the aggregator's certificate is not the registered one": (
        lambda s: s.node("aggregator", identity=s.second_certificate("aggregator")),
        ExitCode.CERTIFICATE_MISMATCH,
        ("the TLS certificate of", "not the one registered on chain"),
    ),
    # keys and passphrases
    "no identity folder": (
        lambda s: s.node("trustee", identity=s.folder / "nowhere"),
        ExitCode.KEY_FILE,
        ("nowhere", "does not exist", "fedtrust identity"),
    ),
    "the identity file is something else": (
        lambda s: s.node("participant", identity=s.identity_without("cleveland", "identity.json", "{}")),
        ExitCode.KEY_FILE,
        ("identity.json is not an identity file",),
    ),
    "the account's keystore is missing": (
        lambda s: s.node("participant", identity=s.identity_without("cleveland", "account.json")),
        ExitCode.KEY_FILE,
        ("account.json does not exist",),
    ),
    "the account's keystore is something else": (
        lambda s: s.node("participant", identity=s.identity_without("cleveland", "account.json", "{}")),
        ExitCode.KEY_FILE,
        ("account.json is not an Ethereum keystore",),
    ),
    "the keystore is somebody else's": (
        lambda s: s.node(
            "participant",
            identity=s.identity_without(
                "cleveland", "account.json", (s.made.people.identity("va") / "account.json").read_text()
            ),
        ),
        ExitCode.KEY_FILE,
        ("account.json belongs to another account",),
    ),
    "the TLS key is missing": (
        lambda s: s.node("aggregator", identity=s.identity_without("aggregator", "tls.pem")),
        ExitCode.KEY_FILE,
        ("tls.pem does not exist",),
    ),
    "the sealing key is missing": (
        lambda s: s.node("trustee", identity=s.identity_without("trustee-1", "secrets.key")),
        ExitCode.KEY_FILE,
        ("secrets.key does not exist",),
    ),
    "the sealing key is somebody else's": (
        lambda s: s.node("trustee", identity=s.identity_with_secrets_of("trustee-1", "trustee-2")),
        ExitCode.KEY_FILE,
        ("secrets.key is for another purpose", "fedtrust/identity/v1/0x", "name the right file"),
    ),
    "the identity folder is of an earlier version": (
        lambda s: s.node("trustee", identity=s.earlier_identity("trustee-1")),
        ExitCode.KEY_FILE,
        ("is an identity folder of an earlier version", "make a new identity"),
    ),
    "the key manifest is missing": (
        lambda s: s.node("participant", manifest=s.folder / "nowhere.json"),
        ExitCode.KEY_FILE,
        ("cannot read the key manifest", "nowhere.json"),
    ),
    "the key manifest is of another key": (
        lambda s: s.node("participant", manifest=s.made.people.committee(3, 5) / "manifest.json"),
        ExitCode.KEY_FILE,
        ("is not the key manifest published on chain", "use the manifest that the operator published"),
    ),
    "the aggregator's key manifest is of another key": (
        lambda s: s.node("aggregator", manifest=s.made.people.committee(3, 5) / "manifest.json"),
        ExitCode.KEY_FILE,
        ("is not the key manifest published on chain",),
    ),
    "the sealed share is missing": (
        lambda s: s.node("trustee", share=s.folder / "nowhere.sealed"),
        ExitCode.KEY_FILE,
        ("cannot read the sealed share", "nowhere.sealed"),
    ),
    "the sealed share is another trustee's": (
        lambda s: s.node("trustee", share=s.made.key / "share-2.sealed"),
        ExitCode.KEY_FILE,
        ("does not open with this key",),
    ),
    "the sealed share is altered": (
        lambda s: s.node("trustee", share=s.file("share", (s.made.key / "share-1.sealed").read_bytes()[:-1] + b"x")),
        ExitCode.KEY_FILE,
        ("does not open with this key", "ask the dealer for the file again"),
    ),
    "an account's key that is none": (
        lambda s: [
            "identity", "--role", "operator", "--out", s.folder / "new", *s.made.passphrase,
            "--private-key", s.file("key", "0x1234"),
        ],
        ExitCode.KEY_FILE,
        ("is not a private key", "64 hex digits"),
    ),
    "wrong passphrase": (
        lambda s: s.node("participant", passphrase_file=s.file("wrong", "a wrong passphrase\n")),
        ExitCode.PASSPHRASE,
        ("the passphrase does not open", "account.json", "--passphrase-file"),
    ),
    "no passphrase": (
        lambda s: s.without_passphrase(s.node("participant", passphrase_file=None)),
        ExitCode.PASSPHRASE,
        ("no passphrase was given", "FEDTRUST_PASSPHRASE"),
    ),
    "an empty passphrase file": (
        lambda s: s.node("participant", passphrase_file=s.file("empty", "")),
        ExitCode.PASSPHRASE,
        ("empty is empty",),
    ),
    "no passphrase file": (
        lambda s: s.node("participant", passphrase_file=s.folder / "nowhere"),
        ExitCode.PASSPHRASE,
        ("cannot read the passphrase file", "nowhere"),
    ),
    # identities
    "an unregistered participant": (
        lambda s: s.node("participant", identity=s.stranger(Role.PARTICIPANT)),
        ExitCode.IDENTITY,
        ("is not registered", "fedtrust register"),
    ),
    "a participant that was only admitted": (
        lambda s: s.node("participant", identity=s.admitted(Role.PARTICIPANT)),
        ExitCode.IDENTITY,
        ("admitted", "fedtrust register"),
    ),
    "registering without admission": (
        lambda s: [
            "register", *s.made.chain, *s.made.passphrase, "--home", s.folder / "home",
            "--identity", s.stranger(Role.PARTICIPANT),
        ],
        ExitCode.IDENTITY,
        ("was not admitted", "fedtrust admit"),
    ),
    "an unregistered aggregator": (
        lambda s: s.node("aggregator", identity=s.stranger(Role.AGGREGATOR)),
        ExitCode.IDENTITY,
        ("is not registered",),
    ),
    "an unregistered trustee": (
        lambda s: s.node("trustee", identity=s.stranger(Role.TRUSTEE)),
        ExitCode.IDENTITY,
        ("is not registered",),
    ),
    "a revoked participant": (
        lambda s: s.node("participant", identity=s.revoked()),
        ExitCode.IDENTITY,
        ("is revoked", "ask the operator"),
    ),
    "a trustee's identity for a participant": (
        lambda s: s.node("participant", identity=s.made.people.identity("trustee-1")),
        ExitCode.IDENTITY,
        ("is an identity of another role", "participant", "trustee"),
    ),
    "a participant's identity for the aggregator": (
        lambda s: s.node("aggregator", identity=s.made.people.identity("hungary")),
        ExitCode.IDENTITY,
        ("is an identity of another role", "aggregator", "participant"),
    ),
    "a ceremony for participants": (
        lambda s: s.ceremony("--threshold", 1, s.made.people.identity("va")),
        ExitCode.IDENTITY,
        ("is not a trustee's identity", "participant"),
    ),
    # models
    "an initial model that is none": (
        lambda s: s.node("aggregator", initial_model=s.file("model", "not a model")),
        ExitCode.MODEL,
        ("safetensors",),
    ),
    # settings, tasks, folders
    "no settings file": (
        lambda s: s.node("aggregator", settings=s.folder / "nowhere.toml"),
        ExitCode.CONFIGURATION,
        ("nowhere.toml does not exist",),
    ),
    "a settings file that is not TOML": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "rounds = = 3")),
        ExitCode.CONFIGURATION,
        ("bad.toml is not TOML",),
    ),
    "an unknown setting": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "round = 3")),
        ExitCode.CONFIGURATION,
        ("bad.toml: unknown setting 'round'", "rounds"),
    ),
    "a setting of the wrong type": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "quorum = 2.5")),
        ExitCode.CONFIGURATION,
        ("bad.toml: quorum has the wrong type", "int", "float"),
    ),
    "a negative setting": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "commit_seconds = -1")),
        ExitCode.CONFIGURATION,
        ("bad.toml: commit_seconds is negative", "-1"),
    ),
    "settings that would let a clipped update leave the layout": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "clip_norm = 8.0\nvalue_range = 2.0")),
        ExitCode.CONFIGURATION,
        ("bad.toml: impossible settings: clip_norm exceeds value_range", "at most 2.0"),
    ),
    "a setting that no layout can have": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "value_bits = 62")),
        ExitCode.CONFIGURATION,
        ("bad.toml: impossible settings", "value_bits is out of range", "[2, 32]"),
    ),
    "a quorum of one": (
        lambda s: s.node("aggregator", settings=s.file("bad.toml", "quorum = 1")),
        ExitCode.CONFIGURATION,
        ("bad.toml: impossible settings: quorum", "at least 2"),
    ),
    "a task without a class": (
        lambda s: s.node("participant", task="fedtrust.learning.heart"),
        ExitCode.CONFIGURATION,
        ("the name of a task is malformed", "package.module:Class"),
    ),
    "a task in no module": (
        lambda s: s.node("participant", task="no.such.module:Task"),
        ExitCode.CONFIGURATION,
        ("the task's module 'no.such.module' cannot be found",),
    ),
    "a task in no file": (
        lambda s: s.node("aggregator", task=f"{s.folder}/nothing.py:Task"),
        ExitCode.CONFIGURATION,
        ("the task's file does not exist", "nothing.py"),
    ),
    "a class that is no task": (
        lambda s: s.node("participant", task="fedtrust.learning.heart:Nothing"),
        ExitCode.CONFIGURATION,
        ("defines no task 'Nothing'", "LogisticRegression, MLP"),
    ),
    "data that does not exist": (
        lambda s: s.node("participant", data="atlantis"),
        ExitCode.CONFIGURATION,
        ("no hospital 'atlantis'", "cleveland"),
    ),
    "an address to listen on that is none": (
        lambda s: s.node("aggregator", listen="8443"),
        ExitCode.CONFIGURATION,
        ("--listen is not an address", "host:port"),
    ),
    "no artifact folder": (
        lambda s: ["audit", *s.made.chain, "--artifacts", s.folder / "nowhere"],
        ExitCode.CONFIGURATION,
        ("the artifact folder", "nowhere does not exist"),
    ),
    "artifacts at an address of another kind": (
        lambda s: ["audit", *s.made.chain, "--artifacts", "http://127.0.0.1:8443"],
        ExitCode.CONFIGURATION,
        ("neither an https:// address nor a folder",),
    ),
    "an identity folder that is taken": (
        lambda s: ["identity", "--role", "trustee", "--out", s.made.people.identity("va"), *s.made.passphrase],
        ExitCode.CONFIGURATION,
        ("already holds an identity", "nothing was overwritten"),
    ),
    "a short passphrase": (
        lambda s: [
            "identity", "--role", "trustee", "--out", s.folder / "new", "--passphrase-file", s.file("short", "1234\n"),
        ],
        ExitCode.CONFIGURATION,
        ("the passphrase is shorter than 8 characters",),
    ),
    "more trustees are needed than there are": (
        lambda s: s.ceremony("--threshold", 2, s.made.people.identity("trustee-1")),
        ExitCode.CONFIGURATION,
        ("threshold and trustees do not fit", "threshold 2 of 1"),
    ),
    "a key folder that is taken": (
        lambda s: ["ceremony", "--threshold", 1, "--out", s.made.key, s.made.people.identity("trustee-1")],
        ExitCode.CONFIGURATION,
        ("already holds a key manifest",),
    ),
    "a model file that is taken": (
        lambda s: ["model", "--task", s.made.task, "--out", s.file("taken", "")],
        ExitCode.CONFIGURATION,
        ("exists already", "nothing was overwritten"),
    ),
    "a run folder that is taken": (
        lambda s: ["demo", "--out", s.file("something", "").parent],
        ExitCode.CONFIGURATION,
        ("is not empty", "name another with --out"),
    ),
    "an impossible amount": (
        lambda s: s.operator("deploy", "--manifest", s.made.key / "manifest.json", "--fund", -1),
        ExitCode.USAGE,
        ("--fund", "is not an amount"),
    ),
    "admitting an operator": (
        lambda s: s.operator("admit", "--contract", s.made.contract, s.made.people.identity("operator")),
        ExitCode.CONFIGURATION,
        ("operators are not admitted",),
    ),
    "registering an operator": (
        lambda s: s.operator("register", "--contract", s.made.contract),
        ExitCode.CONFIGURATION,
        ("operators are not registered",),
    ),
    "an identity of no role": (
        lambda s: ["identity", "--out", s.folder / "new", *s.made.passphrase],
        ExitCode.USAGE,
        ("--role", "--successor-of"),
    ),
    "a successor with another account": (
        lambda s: [
            "identity", "--successor-of", s.made.people.identity("va"), "--out", s.folder / "new",
            "--private-key", s.file("key", "0x" + "11" * 32), *s.made.passphrase,
        ],
        ExitCode.USAGE,
        ("--successor-of keeps the account",),
    ),
    "a home folder of another federation": (
        lambda s: s.with_another_federations_home(s.node("trustee")),
        ExitCode.CONFIGURATION,
        ("this home folder belongs to another federation", "--home"),
    ),
    # usage
    "an unknown option": (lambda s: s.status("--colour", "blue"), ExitCode.USAGE, ("No such option", "--colour")),
    "a standby without a peer": (
        lambda s: [*s.node("aggregator"), "--standby"],
        ExitCode.USAGE,
        ("--standby needs --peer",),
    ),
    "gas money that is no amount": (
        lambda s: s.operator(
            "admit", "--contract", s.made.contract, "--gas-money", "some", s.made.people.identity("va")
        ),
        ExitCode.USAGE,
        ("--gas-money", "some", "is not an amount"),
    ),
    "rewards that are no amount": (
        lambda s: s.operator("fund", "--contract", s.made.contract, "--", "-1"),
        ExitCode.USAGE,
        ("AMOUNT", "-1", "is not an amount"),
    ),
    "a rotation to nowhere": (
        lambda s: s.operator("rotate", "--contract", s.made.contract, identity="va"),
        ExitCode.USAGE,
        ("Missing option", "--to"),
    ),
    "an account to expire that is none": (
        lambda s: s.operator("expire", "--contract", s.made.contract, "va"),
        ExitCode.USAGE,
        ("ACCOUNT", "va", "EIP-55"),
    ),
    "a round that no head can have": (
        lambda s: ["head", "prove", *s.made.chain, "--round", 0, "--out", s.folder / "head.json"],
        ExitCode.USAGE,
        ("--round",),
    ),
    "a head proof that is none": (
        lambda s: [
            "head", "verify", s.file("head.json", "{}"), "--contract", s.made.contract,
            "--block-hash", "0x" + "00" * 32,
        ],
        ExitCode.ARTIFACT,
        ("head proof has no field 'format'",),
    ),
    "an unknown command": (lambda s: ["conquer"], ExitCode.USAGE, ("No such command", "conquer")),
    "a missing option": (lambda s: ["status"], ExitCode.USAGE, ("Missing option", "--contract")),
    "an unknown choice": (
        lambda s: ["demo", "--model", "transformer"],
        ExitCode.USAGE,
        ("transformer", "logistic", "mlp"),
    ),
    "an address that is none": (
        lambda s: s.status(contract="0x1234"),
        ExitCode.USAGE,
        ("--contract", "0x1234", "EIP-55"),
    ),
    "an address with a wrong digit": (
        lambda s: s.status(contract=s.made.contract.lower()),
        ExitCode.USAGE,
        ("--contract", "EIP-55"),
    ),
}  # fmt: skip


@pytest.fixture
def scene(deployed: Federation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    made = Scene(deployed, tmp_path, monkeypatch)
    with made.stack:
        yield made


@pytest.mark.parametrize("situation", SITUATIONS)
def test_bad_input_is_told_and_numbered(scene: Scene, situation: str) -> None:
    command, code, words = SITUATIONS[situation]
    arguments = command(scene)
    told = fedtrust_here(*arguments)
    assert told.code == code, told.err
    assert "Traceback" not in told.err
    for word in words:
        assert word in told.err
    # programs get the same as one line of JSON
    as_json = fedtrust_here(*arguments, "--json")
    assert as_json.code == code
    body = json.loads(as_json.err.splitlines()[-1])
    assert body["exit_code"] == code
    said = " ".join(str(value) for value in body.values())
    for word in words:
        assert word in said


def test_no_secret_is_ever_told(scene: Scene) -> None:
    """Passphrases and keys that were wrong are not repeated."""
    for secret, command in (
        ("a wrong passphrase", scene.node("participant", passphrase_file=scene.file("1", "a wrong passphrase\n"))),
        ("0xabcdef", [
            "identity", "--role", "operator", "--out", scene.folder / "new", *scene.made.passphrase,
            "--private-key", scene.file("2", "0xabcdef"),
        ]),
        ("hunter2", scene.status(rpc="ftp://user:hunter2@127.0.0.1/hunter2")),
    ):  # fmt: skip
        told = fedtrust_here(*command)
        assert told.code != ExitCode.OK
        assert secret not in told.err + told.out


@pytest.fixture(scope="module", autouse=True)
def nobody_there() -> subprocess.Popen[str]:
    """Start a command that asks where nobody is; it tries for a while, and nobody need wait for it meanwhile."""
    command = ("status", "--json", "--rpc", f"http://user:hunter2@127.0.0.1:{free_port()}/?key=hunter2")
    return subprocess.Popen(
        [sys.executable, "-m", "fedtrust", *command, "--contract", NOBODY],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_an_unreachable_rpc_endpoint(nobody_there: subprocess.Popen[str]) -> None:
    out, err = nobody_there.communicate(timeout=90)
    assert nobody_there.returncode == ExitCode.RPC_UNREACHABLE
    body = json.loads(err.splitlines()[-1])
    assert body["exit_code"] == ExitCode.RPC_UNREACHABLE
    assert "does not answer" in body["message"]
    assert "start the node" in body["advice"]
    assert "hunter2" not in out + err  # addresses of hosted nodes hold access tokens
