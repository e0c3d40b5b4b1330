"""Settings: `seatrial.toml`, overridden by SEATRIAL_* variables, read once into frozen sections, one for each step.

Belongs here: what can be set, its default, its limits, and where each value came from.
Does not belong: what a setting does; that is its step's business, and a step is given only its own section.
Called by: wiring and the command line.
"""

from seatrial.config.deployment import (
    AcceptanceSettings,
    ConversionSettings,
    ExperimentSettings,
    ReleaseSettings,
    ServingSettings,
)
from seatrial.config.development import (
    DataSettings,
    EvaluationSettings,
    ModelSettings,
    RegistrySettings,
    TrainingSettings,
)
from seatrial.config.kinds import NotifiedEvent, Section
from seatrial.config.loading import CONFIG_FILE, load_settings
from seatrial.config.operation import ControlSettings, StoreSettings
from seatrial.config.settings import Settings, mask, mask_path, sqlite_path, sqlite_url

__all__ = [
    "CONFIG_FILE",
    "AcceptanceSettings",
    "ControlSettings",
    "ConversionSettings",
    "DataSettings",
    "EvaluationSettings",
    "ExperimentSettings",
    "ModelSettings",
    "NotifiedEvent",
    "RegistrySettings",
    "ReleaseSettings",
    "Section",
    "ServingSettings",
    "Settings",
    "StoreSettings",
    "TrainingSettings",
    "load_settings",
    "mask",
    "mask_path",
    "sqlite_path",
    "sqlite_url",
]
