"""The settings of the nodes, as frozen values; the command line and TOML files fill them."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from fedtrust.crypto.packing import SlotLayout
from fedtrust.errors import ConfigurationError, SpecError
from fedtrust.ledger.types import FederationConfig
from fedtrust.protocol.contribution import VectorLayout
from fedtrust.protocol.spec import MINIMUM_PARTICIPANTS, Algorithm, Privacy
from fedtrust.protocol.training import TrainingParameters


@dataclass(frozen=True, slots=True)
class FederationSettings:
    """What the aggregator writes into every RoundSpec, and how long it waits. Times are seconds."""

    rounds: int = 10
    quorum: int = 2
    commit_seconds: int = 120
    aggregate_seconds: int = 60
    finalize_seconds: int = 60
    upload_margin: int = 10
    trustee_grace: int = 3
    max_aborts: int = 5
    epochs: int = 5
    batch_size: int = 32
    learning_rate: float = 0.1
    seed: int = 0
    server_learning_rate: float = 1.0
    clip_norm: float = 8.0
    value_range: float = 8.0
    metric_range: float = 16.0
    value_bits: int = 16
    weight_bits: int = 10
    guard_bits: int = 2
    max_participants: int = 64

    def __post_init__(self) -> None:
        """Raise ConfigurationError on settings that no round could be opened with."""
        try:
            self.layout(1, ())
            Privacy(self.clip_norm)
            Algorithm("fedavg", self.server_learning_rate, self.training)
        except SpecError as error:
            raise ConfigurationError(
                f"impossible settings: {error.message}", expected=error.expected, got=error.got, advice=error.advice
            ) from error
        if self.clip_norm > self.value_range:
            raise ConfigurationError(
                "impossible settings: clip_norm exceeds value_range, so a clipped update could leave the layout",
                expected=f"at most {self.value_range}",
                got=self.clip_norm,
            )
        if self.quorum < MINIMUM_PARTICIPANTS:
            raise ConfigurationError(
                "impossible settings: quorum", expected=f"at least {MINIMUM_PARTICIPANTS}", got=self.quorum
            )
        if min(self.commit_seconds, self.aggregate_seconds, self.finalize_seconds, self.rounds) < 1:
            raise ConfigurationError("impossible settings: rounds and all three times must be at least 1")

    def require_allowed(self, config: FederationConfig) -> None:
        """Check that the contract would open rounds with these settings. Raises ConfigurationError."""
        if self.quorum < config.minimum_quorum:
            raise ConfigurationError(
                "impossible settings: the contract asks for a larger quorum",
                expected=f"at least {config.minimum_quorum}",
                got=self.quorum,
            )
        seconds = self.commit_seconds + self.aggregate_seconds + self.finalize_seconds
        if seconds > config.max_round_seconds:
            raise ConfigurationError(
                "impossible settings: the three times together are longer than the contract lets a round take",
                expected=f"at most {config.max_round_seconds}",
                got=seconds,
            )

    @property
    def training(self) -> TrainingParameters:
        """The hyper-parameters of local training."""
        return TrainingParameters(self.epochs, self.batch_size, self.learning_rate, self.seed)

    def layout(self, parameters: int, metrics: tuple[str, ...]) -> VectorLayout:
        """Return the layout for a model with that many parameters. Raises SpecError on impossible settings."""
        return VectorLayout(
            parameters=parameters,
            metrics=metrics,
            slots=SlotLayout(
                value_bits=self.value_bits,
                weight_bits=self.weight_bits,
                max_participants=self.max_participants,
                guard_bits=self.guard_bits,
            ),
            value_range=self.value_range,
            metric_range=self.metric_range,
        )

    def to_toml(self) -> str:
        """Return the settings as a TOML file that :meth:`read` reads."""
        return "".join(f"{f.name} = {getattr(self, f.name)!r}\n" for f in fields(self))

    def with_values(self, values: dict[str, Any], where: str) -> FederationSettings:
        """Return a copy with ``values`` replaced. Raises ConfigurationError naming ``where`` and the field."""
        kinds = {f.name: type(getattr(self, f.name)) for f in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            kind = kinds.get(name)
            if kind is None:
                raise ConfigurationError(
                    f"{where}: unknown setting {name!r}", expected=", ".join(sorted(kinds)), got=name
                )
            if isinstance(value, bool) or not isinstance(value, (int, float) if kind is float else int):
                raise ConfigurationError(
                    f"{where}: {name} has the wrong type", expected=kind.__name__, got=type(value).__name__
                )
            if value < 0:
                raise ConfigurationError(f"{where}: {name} is negative", got=value)
            checked[name] = kind(value)
        try:
            return replace(self, **checked)
        except ConfigurationError as error:
            raise ConfigurationError(
                f"{where}: {error.message}", expected=error.expected, got=error.got, advice=error.advice
            ) from error

    @classmethod
    def read(cls, path: Path) -> FederationSettings:
        """Read a TOML file of settings. Raises ConfigurationError naming the file and the field."""
        try:
            values = tomllib.loads(path.read_text())
        except FileNotFoundError:
            raise ConfigurationError(f"{path} does not exist") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{path} is not TOML", got=error) from error
        return cls().with_values(values, str(path))
