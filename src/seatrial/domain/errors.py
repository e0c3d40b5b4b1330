"""Every error Seatrial raises on purpose, drawn once.

::

    SeatrialError
    ├── ConfigError                what the user wrote in settings or on the command line cannot be used
    │   ├── UnknownSettingError        a key of seatrial.toml or SEATRIAL_* that does not exist
    │   ├── ReleasePlanError           steps, shares, guards or limits that no release can have
    │   ├── ExperimentPlanError        versions, metrics, margins or windows that no experiment can have
    │   └── UsageError                 a command or call with impossible arguments
    ├── DependencyError            something outside Seatrial is needed and is not there
    │   ├── MissingExtraError          a Python package of an optional extra is not installed
    │   ├── UnreachableError           a server or index does not answer
    │   ├── AnswerLostError            a connection ended between question and answer
    │   ├── UnreadableAnswerError      what answered is not what should answer there
    │   ├── NotTakenError              a receiver of notifications answered, and did not take the message
    │   └── StorageFullError           the disk (or a quota) has no room; nothing half-written is left behind
    ├── DataError                  rows that cannot be trained on or scored
    │   ├── SourceError                a data source is missing, unreadable or not what its digest says
    │   ├── UnknownColumnError         a column named in the settings is not in the source
    │   ├── EmptyTextError             rows whose text is empty
    │   ├── LabelError                 one class only, or labels the model does not know
    │   └── LeakageError               the same text or group on both sides of a split
    ├── ModelError                 a model, version, artifact or bundle that cannot be used
    │   ├── UnknownModelError          no model of that name
    │   ├── UnknownVersionError        no such version or alias of the model
    │   ├── UnknownArtifactError       the version has no such artifact
    │   ├── UnsupportedModelError      an architecture or format Seatrial cannot read or convert
    │   ├── BundleError                a serving directory that is not whole
    │   │   ├── BundleMissingFileError     a file the manifest names is absent
    │   │   ├── BundleAlteredError         a file's size or digest is not the manifest's
    │   │   └── BundleManifestError        the manifest itself is absent or malformed
    │   ├── RefusedArtifactError       the artifact's findings forbid serving it
    │   ├── TrainingError              training cannot start or go on
    │   └── ConversionError            an exporter, quantiser or checker failed
    ├── TrafficError               an order about a model's traffic that a data plane cannot follow
    │   ├── TrafficConflictError       it contradicts what holds: a newer fence, a running release, what is loaded
    │   └── ReleaseNotCountedError     it does not run here, so nothing is counted of it
    ├── LedgerError                the record of findings and decisions
    │   ├── LedgerTamperedError        the chain, its head or what it cites does not verify
    │   ├── LedgerConflictError        a write that contradicts what the store already holds
    │   ├── UnknownReleaseError        no release of that name
    │   ├── UnknownExperimentError     no experiment of that name
    │   └── LeaseLostError             another controller has taken over: what this one decided does not count
    ├── BackupError                a backup that is not whole, or not the one that was written
    ├── RoleError                  the role of a token does not allow what was asked
    └── RequestError               a request that gets no prediction: the same classes in the data plane and its client
        ├── InvalidRequestError        the client's mistake: wrong form, types or values
        │   ├── MediaTypeError             the body is declared as something other than JSON, plain or compressed
        │   ├── UnsupportedFeatureError    a part of a protocol that is not offered here
        │   ├── SlowRequestError           the headers or the body did not arrive in time
        │   ├── HeadersTooLargeError       request line and headers are over the limit
        │   └── VersionInUseError          the version is to be unloaded and still gets its model's traffic
        ├── UnauthenticatedError       no key, or one that is not known
        ├── RateLimitedError           the key has used up its requests for now
        ├── PayloadTooLargeError       over the body or text limits
        ├── ModelNotServedError        no loaded model of that name or version
        ├── OverloadedError            the queue is full; retry later
        ├── TooManyConnectionsError    as many connections are open as may be
        ├── DeadlineExceededError      the request's time ran out before an engine took it
        ├── NotReadyError              starting up or draining
        ├── JournalUnavailableError    feedback cannot be made durable now
        └── InferenceError             the engine failed: our fault

Each message is a sentence that says what happened and what to do next. Codes of HTTP and of the command line are
not known here: ``serving/http_errors.py`` and ``cli/exit_codes.py`` map the classes. A bad measurement is no error:
it is a Finding.
"""

from __future__ import annotations

__all__ = [
    "AnswerLostError",
    "BackupError",
    "BundleAlteredError",
    "BundleError",
    "BundleManifestError",
    "BundleMissingFileError",
    "ConfigError",
    "ConversionError",
    "DataError",
    "DeadlineExceededError",
    "DependencyError",
    "EmptyTextError",
    "ExperimentPlanError",
    "HeadersTooLargeError",
    "InferenceError",
    "InvalidRequestError",
    "JournalUnavailableError",
    "LabelError",
    "LeakageError",
    "LeaseLostError",
    "LedgerConflictError",
    "LedgerError",
    "LedgerTamperedError",
    "MediaTypeError",
    "MissingExtraError",
    "ModelError",
    "ModelNotServedError",
    "NotReadyError",
    "NotTakenError",
    "OverloadedError",
    "PayloadTooLargeError",
    "RateLimitedError",
    "RefusedArtifactError",
    "ReleaseNotCountedError",
    "ReleasePlanError",
    "RequestError",
    "RoleError",
    "SeatrialError",
    "SlowRequestError",
    "SourceError",
    "StorageFullError",
    "TooManyConnectionsError",
    "TrafficConflictError",
    "TrafficError",
    "TrainingError",
    "UnauthenticatedError",
    "UnknownArtifactError",
    "UnknownColumnError",
    "UnknownExperimentError",
    "UnknownModelError",
    "UnknownReleaseError",
    "UnknownSettingError",
    "UnknownVersionError",
    "UnreachableError",
    "UnreadableAnswerError",
    "UnsupportedFeatureError",
    "UnsupportedModelError",
    "UsageError",
    "VersionInUseError",
]


class SeatrialError(Exception):
    """Root of the tree: catch it to catch everything Seatrial raises on purpose."""


class ConfigError(SeatrialError):
    """What the user wrote in settings or on the command line cannot be used."""


class UnknownSettingError(ConfigError):
    """A key of seatrial.toml or a SEATRIAL_* variable that does not exist."""


class ReleasePlanError(ConfigError):
    """Steps, shares, guards or limits that no release can have."""


class ExperimentPlanError(ConfigError):
    """Versions, metrics, margins or windows that no experiment can have."""


class UsageError(ConfigError):
    """A command or call with impossible arguments."""


class DependencyError(SeatrialError):
    """Something outside Seatrial is needed and is not there."""


class MissingExtraError(DependencyError):
    """A Python package of an optional extra is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"This step needs {package}: install it with pip install 'seatrial[{extra}]'.")
        self.package = package
        self.extra = extra


class UnreachableError(DependencyError):
    """A server or index does not answer."""


class AnswerLostError(DependencyError):
    """A connection ended between question and answer: whether the work was done is not known."""


class UnreadableAnswerError(DependencyError):
    """What answered is not what should answer there."""


class NotTakenError(DependencyError):
    """A receiver of notifications answered, and did not take the message."""

    def __init__(self, message: str, status: int, again_in_s: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.again_in_s = again_in_s


class StorageFullError(DependencyError):
    """The disk (or a quota) has no room; nothing half-written is left behind."""


class DataError(SeatrialError):
    """Rows that cannot be trained on or scored."""


class SourceError(DataError):
    """A data source is missing, unreadable or not what its digest says."""


class UnknownColumnError(DataError):
    """A column named in the settings is not in the source."""


class EmptyTextError(DataError):
    """Rows whose text is empty."""


class LabelError(DataError):
    """One class only, or labels the model does not know."""


class LeakageError(DataError):
    """The same text or group stands on both sides of a split."""


class ModelError(SeatrialError):
    """A model, version, artifact or bundle that cannot be used."""


class UnknownModelError(ModelError):
    """No model of that name."""


class UnknownVersionError(ModelError):
    """No such version or alias of the model."""


class UnknownArtifactError(ModelError):
    """The version has no such artifact."""


class UnsupportedModelError(ModelError):
    """An architecture or format Seatrial cannot read or convert."""


class BundleError(ModelError):
    """A serving directory that is not whole."""


class BundleMissingFileError(BundleError):
    """A file the manifest names is absent."""


class BundleAlteredError(BundleError):
    """A file's size or digest is not the manifest's."""


class BundleManifestError(BundleError):
    """The manifest itself is absent or malformed."""


class RefusedArtifactError(ModelError):
    """The artifact's findings forbid serving it."""


class TrainingError(ModelError):
    """Training cannot start or go on."""


class ConversionError(ModelError):
    """An exporter, quantiser or checker failed."""


class TrafficError(SeatrialError):
    """An order about a model's traffic that a data plane cannot follow."""


class TrafficConflictError(TrafficError):
    """It contradicts what holds: a newer fence, a running release, or what is loaded."""


class ReleaseNotCountedError(TrafficError):
    """It does not run here, so nothing is counted of it."""


class LedgerError(SeatrialError):
    """The record of findings and decisions cannot be used."""


class LedgerTamperedError(LedgerError):
    """The chain, its head or what it cites does not verify."""


class LedgerConflictError(LedgerError):
    """A write contradicts what the store already holds."""


class UnknownReleaseError(LedgerError):
    """No release of that name."""


class UnknownExperimentError(LedgerError):
    """No experiment of that name."""


class LeaseLostError(LedgerError):
    """Another controller has taken over: what this one decided does not count."""


class BackupError(SeatrialError):
    """A backup is not whole, or not the one that was written."""


class RoleError(SeatrialError):
    """The role of a token does not allow what was asked."""


class RequestError(SeatrialError):
    """A request that gets no prediction: raised in the data plane, and again in the client that asked."""


class InvalidRequestError(RequestError):
    """The client's mistake: wrong form, types or values."""


class MediaTypeError(InvalidRequestError):
    """The body is declared as something other than JSON, plain or compressed."""


class UnsupportedFeatureError(InvalidRequestError):
    """A part of a protocol that is not offered here."""


class SlowRequestError(InvalidRequestError):
    """The headers or the body did not arrive in time."""


class HeadersTooLargeError(InvalidRequestError):
    """Request line and headers are over the limit."""


class VersionInUseError(InvalidRequestError):
    """The version is to be unloaded and still gets its model's traffic."""


class UnauthenticatedError(RequestError):
    """No key, or one that is not known."""


class RateLimitedError(RequestError):
    """The key has used up its requests for now."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PayloadTooLargeError(RequestError):
    """Over the body or text limits."""


class ModelNotServedError(RequestError):
    """No loaded model of that name or version."""


class OverloadedError(RequestError):
    """The queue is full; retry later."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TooManyConnectionsError(RequestError):
    """As many connections are open as may be."""


class DeadlineExceededError(RequestError):
    """The request's time ran out before an engine took it."""


class NotReadyError(RequestError):
    """Starting up or draining."""


class JournalUnavailableError(RequestError):
    """Feedback cannot be made durable now, so it is not acknowledged; retry later."""


class InferenceError(RequestError):
    """The engine failed: our fault."""
