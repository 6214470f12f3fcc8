"""Settings of stations that are known: what each is for, in which unit, and what it is called in OCPP 1.6 and in 2.x.

An operator may use either name at any station; adapters say it in the station's own version. Names: OCPP 1.6 edition 2
section 9 and the security white paper section 2.3; OCPP 2.0.1 part 2, chapter "Referenced Components and Variables".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class KnownKey:
    """One setting. An empty name: that version has no such setting."""

    key: str
    """OCPP 1.6."""
    variable: str
    """OCPP 2.x, ``Component.Variable`` or ``Component.Variable[instance]``."""
    meaning: str
    unit: str = ""
    """Empty: a text, a list, or true and false."""
    is_secret: bool = False
    """Its value is never shown, stored or logged."""


def _known(key: str, variable: str, meaning: str, unit: str = "", *, is_secret: bool = False) -> KnownKey:
    return KnownKey(key=key, variable=variable, meaning=meaning, unit=unit, is_secret=is_secret)


KNOWN_KEYS: tuple[KnownKey, ...] = (
    _known("HeartbeatInterval", "OCPPCommCtrlr.HeartbeatInterval", "How often a silent station says it is there", "s"),
    _known(
        "WebSocketPingInterval",
        "OCPPCommCtrlr.WebSocketPingInterval",
        "How often it pings the connection; 0: never",
        "s",
    ),
    _known(
        "MeterValueSampleInterval",
        "SampledDataCtrlr.TxUpdatedInterval",
        "How often it tells meter values during a charge; 0: never",
        "s",
    ),
    _known("MeterValuesSampledData", "SampledDataCtrlr.TxUpdatedMeasurands", "Which values those are"),
    _known("StopTxnSampledData", "SampledDataCtrlr.TxEndedMeasurands", "Which sampled values it repeats at the end"),
    _known(
        "ClockAlignedDataInterval",
        "AlignedDataCtrlr.Interval",
        "How often it tells meter values by the clock, charge or not; 0: never",
        "s",
    ),
    _known("MeterValuesAlignedData", "AlignedDataCtrlr.Measurands", "Which values those are"),
    _known(
        "StopTxnAlignedData", "AlignedDataCtrlr.TxEndedMeasurands", "Which values by the clock it repeats at the end"
    ),
    _known(
        "ConnectionTimeOut",
        "TxCtrlr.EVConnectionTimeOut",
        "How long a driver may take to plug in after the token was accepted",
        "s",
    ),
    _known(
        "StopTransactionOnEVSideDisconnect",
        "TxCtrlr.StopTxOnEVSideDisconnect",
        "Whether pulling the plug at the car ends the charge",
    ),
    _known(
        "StopTransactionOnInvalidId",
        "TxCtrlr.StopTxOnInvalidId",
        "Whether a charge that began offline ends when the token turns out to be no good",
    ),
    _known("MaxEnergyOnInvalidId", "TxCtrlr.MaxEnergyOnInvalidId", "How much such a charge may still take", "Wh"),
    _known(
        "UnlockConnectorOnEVSideDisconnect",
        "OCPPCommCtrlr.UnlockOnEVSideDisconnect",
        "Whether the cable is let go at the station when it is pulled at the car",
    ),
    _known("AuthorizeRemoteTxRequests", "AuthCtrlr.AuthorizeRemoteStart", "Whether it asks again after a remote start"),
    _known("LocalAuthorizeOffline", "AuthCtrlr.LocalAuthorizeOffline", "Whether known tokens may charge while offline"),
    _known("LocalPreAuthorize", "AuthCtrlr.LocalPreAuthorize", "Whether known tokens start without asking us"),
    _known(
        "AllowOfflineTxForUnknownId",
        "AuthCtrlr.OfflineTxForUnknownIdEnabled",
        "Whether anybody may charge while it is offline",
    ),
    _known("AuthorizationCacheEnabled", "AuthCacheCtrlr.Enabled", "Whether it remembers which tokens were good"),
    _known("LocalAuthListEnabled", "LocalAuthListCtrlr.Enabled", "Whether it decides by its local list of tokens"),
    _known("LocalAuthListMaxLength", "LocalAuthListCtrlr.Entries", "How many tokens that list can hold", "tokens"),
    _known(
        "SendLocalListMaxLength",
        "LocalAuthListCtrlr.ItemsPerMessage",
        "How many of them fit into one message",
        "tokens",
    ),
    _known("GetConfigurationMaxKeys", "DeviceDataCtrlr.ItemsPerMessage[GetVariables]", "How many settings fit", "keys"),
    _known("ResetRetries", "OCPPCommCtrlr.ResetRetries", "How often it tries again when a reset fails"),
    _known(
        "TransactionMessageAttempts",
        "OCPPCommCtrlr.MessageAttempts[TransactionEvent]",
        "How often it says a start, stop or value that was not answered",
    ),
    _known(
        "TransactionMessageRetryInterval",
        "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]",
        "How long it waits between those; 1.6 multiplies it each time",
        "s",
    ),
    _known("MinimumStatusDuration", "", "How long a status must last to be told", "s"),
    _known("ChargeProfileMaxStackLevel", "SmartChargingCtrlr.ProfileStackLevel", "Highest stack level of a profile"),
    _known(
        "ChargingScheduleAllowedChargingRateUnit",
        "SmartChargingCtrlr.RateUnit",
        "Whether it takes limits in A, W, both",
    ),
    _known("ChargingScheduleMaxPeriods", "SmartChargingCtrlr.PeriodsPerSchedule", "How many steps a schedule may have"),
    _known("MaxChargingProfilesInstalled", "", "How many profiles it keeps"),
    _known(
        "ReserveConnectorZeroSupported",
        "ReservationCtrlr.NonEvseSpecific",
        "Whether a reservation can be for any connector",
    ),
    _known("ConnectorPhaseRotation", "", "How the phases are wired at each connector"),
    _known("NumberOfConnectors", "", "How many connectors it has"),
    _known("SupportedFeatureProfiles", "", "Which parts of OCPP 1.6 it knows"),
    _known("LightIntensity", "", "How bright its lamps are", "%"),
    _known("CpoName", "SecurityCtrlr.OrganizationName", "Whose name its certificate must bear"),
    _known("SecurityProfile", "SecurityCtrlr.SecurityProfile", "How it secures its line to us; it can only rise"),
    _known(
        "AuthorizationKey",
        "SecurityCtrlr.BasicAuthPassword",
        "The password of its line to us; the old one is good until it has come with the new one",
        is_secret=True,
    ),
    _known(
        "AdditionalRootCertificateCheck",
        "SecurityCtrlr.AdditionalRootCertificateCheck",
        "Whether a new root certificate must be signed by the old one",
    ),
)

_BY_NAME: Mapping[str, KnownKey] = {
    name.casefold(): known for known in KNOWN_KEYS for name in (known.key, known.variable) if name
}


def known_key(name: str) -> KnownKey | None:
    """The setting of this name in either version; names compare without case (OCPP: CiString).

    >>> known_key("heartbeatinterval").variable, known_key("TxCtrlr.EVConnectionTimeOut").key
    ('OCPPCommCtrlr.HeartbeatInterval', 'ConnectionTimeOut')
    """
    return _BY_NAME.get(name.casefold())


_SECRET_WORDS = ("password", "passphrase", "secret", "authorizationkey", "vpnkey", "simpin")
"""The last two: NetworkConfiguration of OCPP 2.1."""


def is_secret(name: str) -> bool:
    """Whether the value of this setting must not be shown; names of makers' own settings count by what they say."""
    known = known_key(name)
    folded = name.casefold()
    return known.is_secret if known else any(word in folded for word in _SECRET_WORDS)


def setting_of(value: Mapping[str, Any]) -> str:
    """The name of the setting that an object of a message is about: ``key`` (1.6), or component and variable (2.x)."""
    key = value.get("key")
    if isinstance(key, str):
        return key
    parts = [value.get("component"), value.get("variable")]
    return ".".join(str(part.get("name", "")) for part in parts if isinstance(part, dict))
