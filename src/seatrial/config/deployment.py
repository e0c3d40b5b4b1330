"""The sections of the steps that bring a model to its users: every setting with default, limits and meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from seatrial.config.kinds import OpenRatio, Port, Positive, Ratio, Seconds, Section, as_number, as_whole

__all__ = [
    "AcceptanceSettings",
    "ConversionSettings",
    "ExperimentSettings",
    "ReleaseSettings",
    "ServingSettings",
]


class ConversionSettings(Section):
    """Which artifacts are made and what parity they must show."""

    targets: tuple[Literal["onnx-fp32", "onnx-int8"], ...] = ("onnx-fp32", "onnx-int8")
    """Artifacts to make."""
    profile: Literal["auto", "unpadded", "ort-fused", "portable"] = "auto"
    """Export profile; `auto` takes `unpadded` for the BERT family, else `ort-fused` where it fits, and says why."""
    reduce_range: Literal["auto", "on", "off"] = "auto"
    """7-bit weights for int8, needed on processors without VNNI; `auto` goes by the processor."""
    flip_rate_limit: OpenRatio = 0.02
    """Highest share of changed labels; the exact upper bound must stay below it."""
    fp32_flip_rate_limit: OpenRatio = 0.005
    """The same for fp32 artifacts."""
    accuracy_loss_limit: Ratio = 0.005
    """Most accuracy an artifact may lose against its source."""
    fp32_probability_limit: OpenRatio = 1e-4
    """Largest probability difference of an fp32 artifact."""
    composition_rounds: Positive = 2
    """How often the rows are asked again in random company."""
    confidence: OpenRatio = 0.95
    """Confidence of the flip-rate bound."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the random batch compositions."""


class ServingSettings(Section):
    """The data plane."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8080
    """Public port; 0 takes a free one."""
    grpc: bool = True
    """Whether the Open Inference Protocol is spoken over gRPC, too."""
    grpc_port: Port = 8081
    """Port of gRPC; 0 takes a free one."""
    internal_port: Port = 9090
    """Port of /metrics; 0 takes a free one."""
    uds: str = ""
    """Path of a Unix domain socket that takes the public port's place; its owner and group may connect. Empty: none."""
    tls_cert_file: str = ""
    """PEM file with the certificate and its chain; the public port then speaks HTTPS only. Empty: plain HTTP."""
    tls_key_file: str = ""
    """PEM file with the certificate's private key, without a password."""
    api_keys_file: str = ""
    """File with a line `name:sha256[:requests_per_minute]` for each key that may use the public port; empty: open."""
    admin_token_file: str = ""
    """The same for the internal port's /admin paths; empty: only this machine may use them."""
    default_model: str = ""
    """Model that bare /predict asks; empty: the only one."""
    artifact: str = "onnx-fp32"
    """Artifact that is served unless the command names another."""
    handler: str = ""
    """`package.module:Class` of your own code, served as version 1 of the model; empty: bundles are served."""
    sessions: Annotated[int, Field(ge=0, le=256)] = 0
    """Engine workers with one thread each; 0: one a core."""
    max_batch_texts: Positive = 8
    """Most texts in one engine call."""
    max_batch_tokens: Positive = 1024
    """Most tokens in one engine call, so that long texts do not hold up short ones; one text alone may have more."""
    lone_threads: Annotated[int, Field(ge=0, le=256)] = 0
    """Threads that compute a text which is alone in the process; 0: one a core, 1: no second engine for it."""
    max_queue_texts: Positive = 2048
    """Texts that may wait; beyond it requests are rejected with 503."""
    max_queue_s: Seconds = 1.0
    """The same in time, by the rate at which texts were lately answered: bounds the latency of an overloaded server."""
    max_texts: Positive = 1024
    """Most texts in one request."""
    max_text_chars: Positive = 2_000_000
    """Longest text that is accepted; what the model cannot read is cut before it is tokenised."""
    max_body_bytes: Positive = 16 * 2**20
    """Largest request body."""
    max_length: Positive = 128
    """Tokens a text is cut to when the request does not say."""
    over_length: Literal["clip", "refuse"] = "clip"
    """A `max_length` above the model's: clipped, and the answer's X-Seatrial-Max-Length says to what, or a 400."""
    max_header_bytes: Annotated[int, Field(ge=1024)] = 32 * 2**10
    """Largest request line with headers."""
    max_connections: Positive = 1024
    """Connections open at once; beyond it they get a 503 and are closed."""
    headers_s: Seconds = 10.0
    """Longest a client may take over its headers, counted from the connection or the end of the last request."""
    keep_alive_s: Seconds = 75.0
    """Longest an idle connection stays open; a load balancer in front should give up earlier."""
    unread_s: Seconds = 30.0
    """Longest a client may leave its answer unread."""
    deadline_s: Seconds = 30.0
    """Longest a request may wait for an engine."""
    drain_delay_s: Annotated[float, Field(ge=0)] = 0.0
    """How long a shutdown waits with its ports open, until load balancers have seen that /ready says no."""
    drain_s: Seconds = 20.0
    """Longest wait for running requests at shutdown, after `drain_delay_s`."""
    journal: Literal["on", "off"] = "on"
    """Whether records and feedback are written down; without it /feedback does not exist."""
    journal_max_bytes: Annotated[int, Field(ge=2**20)] = 2 * 2**30
    """Size of the journal; there the oldest segments give way, and where they may not, records are dropped."""
    journal_keep_s: Annotated[float, Field(ge=0)] = 6 * 3600.0
    """What is younger is never deleted to make room: so long a reader may be away."""
    journal_forget_s: Annotated[float, Field(ge=3600)] = 30 * 86400.0
    """What is older is deleted in any case."""
    journal_fsync: bool = True
    """Wait for the disk before feedback is acknowledged; without it the machine's end may take the last seconds."""


class AcceptanceSettings(Section):
    """What a served version must show in the deployment test (`seatrial test`)."""

    rate_per_s: Annotated[float, Field(gt=0)] = 20.0
    """Requests a second, of one text each, at which the latency is judged; they arrive whether or not it keeps up."""
    p99_limit_ms: Annotated[float, Field(gt=0)] = 250.0
    """Longest 99th percentile of the latency at that rate."""
    clients: Annotated[int, Field(ge=1, le=512)] = 8
    """Clients, each with a request of one text under way, with which the throughput is judged."""
    texts_per_s_floor: Annotated[float, Field(ge=0)] = 30.0
    """Fewest texts answered a second with so many clients."""
    window_s: Seconds = 10.0
    """Length of the measurement at that rate; it lasts longer where the rate needs longer for a 99th percentile."""
    curve_clients: tuple[Annotated[int, Field(ge=1, le=512)], ...] = (1, 2, 4, 8, 16, 32)
    """Clients of the capacity curve, whose places are measured one after the other."""
    curve_window_s: Seconds = 3.0
    """Length of the measurement at each place of the capacity curve."""
    start_up_limit_s: Seconds = 60.0
    """Longest time from the start of the process until it is ready."""
    warm_up_limit_ratio: Annotated[float, Field(ge=1)] = 10.0
    """Longest first request, in medians of the later ones; one within `p99_limit_ms` is never too long."""
    memory_limit_bytes: Positive = 4 * 2**30
    """Most resident memory before the first request."""
    memory_requests: Annotated[int, Field(ge=100)] = 2_000
    """Requests over which the growth of the memory is watched."""
    memory_growth_limit_bytes: Positive = 64 * 2**20
    """Most growth of the resident memory over these requests."""
    golden_rows: Annotated[int, Field(ge=2, le=512)] = 64
    """Evaluation rows whose answers must be those of the source model."""
    overload_s: Seconds = 4.0
    """Length of the overload: a line of waiting texts is filled in a quarter of it, and stays full."""
    recovery_limit_s: Seconds = 5.0
    """Longest time from the end of the overload to an answer."""

    @field_validator("curve_clients", mode="before")
    @classmethod
    def _whole_numbers(cls, clients: object) -> object:
        """Variables and options are text; what is no number is left for the type to refuse."""
        return tuple(map(as_whole, clients)) if isinstance(clients, tuple) else clients


class ReleaseSettings(Section):
    """How a version replaces the one in production."""

    preset: Literal["standard", "demo"] = "standard"
    """What holds where nothing else is set: `demo` has steps of 10, 50 and 100 % of at most 2,000 requests."""
    steps: tuple[Annotated[float, Field(ge=0, le=100)], ...] = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0)
    """Shares of the traffic in percent, rising; the last is 100."""
    min_requests: Positive = 4_000
    """Requests of both versions before a step may be called safe."""
    budget_requests: Positive = 20_000
    """Requests of both versions after which a step without alarm is passed."""
    alpha: OpenRatio = 0.05
    """Probability that a harmless version is rolled back: over all looks, guards and steps together."""
    error_tolerance_ratio: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Up to so many times production's errors are no harm."""
    latency_tolerance_rungs: Annotated[int, Field(ge=0, le=50)] = 1
    """Slower by so many rungs of 10 % is no harm."""
    mirror_ratio: Ratio = 0.0
    """Share of the requests that is mirrored to the new version and compared; 0: none, and no guard on it."""
    disagreement_limit_ratio: OpenRatio = 0.05
    """Share of the mirrored requests that may be answered otherwise."""
    hard_stop_error_ratio: Annotated[float, Field(gt=0, le=1)] = 0.25
    """Share of failed requests from which on the new version is rolled back without any statistics."""
    hard_stop_min_requests: Positive = 100
    """Requests of the new version before that share is looked at."""
    on_budget: Literal["advance", "wait"] = "advance"
    """A step whose budget is spent without alarm: `advance`, or `wait` until it is proven safe."""
    step_timeout_s: Annotated[float, Field(ge=0)] = 0.0
    """Time after which a step without enough traffic is overdue; 0: never."""
    on_timeout: Literal["hold", "roll_back"] = "hold"
    """What is done with an overdue step."""
    approval: Literal["none", "anyone", "another"] = "none"
    """Who must agree before a step is left: `another` than who asked for the release."""
    bake_s: Annotated[float, Field(ge=0)] = 3600.0
    """Time after the full rollout in which the previous version stays loaded and may return."""
    effect_error_ratio: Annotated[float, Field(gt=1, le=1000)] = 3.0
    """Rise of errors that the plan must find with power 0.8; a plan that does not is refused."""

    @field_validator("steps", mode="before")
    @classmethod
    def _numbers(cls, steps: object) -> object:
        """Variables and options are text; what is no number is left for the type to refuse."""
        return tuple(map(as_number, steps)) if isinstance(steps, tuple) else steps


class ExperimentSettings(Section):
    """A/B experiments: what two versions are compared by, unless the command says otherwise."""

    alpha: OpenRatio = 0.05
    """Probability that equal versions are called different: over all looks; primary metrics share it."""
    outcome_window_s: Seconds = 86_400.0
    """A unit's figures count from its first request for so long, and the unit counts once that is over."""
    pre_period_s: Annotated[float, Field(ge=0)] = 0.0
    """Figures from so long before the experiment foretell a unit's later ones (CUPED); 0: none are used."""
    most_units: Annotated[int, Field(ge=0)] = 0
    """Units of both versions after which version a is kept unless version b has won; 0: no end."""
