"""What stations of any version say of firmware, logs, security, and what only their make understands. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from adapters.ocpp.text import MAX_TEXT, kept, written
from adapters.ocpp.whole import whole
from contracts.messages import (
    CertificateRequested,
    FirmwareStatusReported,
    LogStatusReported,
    SecurityEventReported,
    VendorDataReceived,
)
from contracts.signing_requests import Unsignable, read_signing_request
from contracts.vocabulary import FirmwareStatus, LogStatus

LONGEST: Final = 16_384

FIRMWARE: Final = {
    "Idle": FirmwareStatus.IDLE,
    "DownloadScheduled": FirmwareStatus.DOWNLOAD_SCHEDULED,
    "Downloading": FirmwareStatus.DOWNLOADING,
    "DownloadPaused": FirmwareStatus.DOWNLOAD_PAUSED,
    "Downloaded": FirmwareStatus.DOWNLOADED,
    "DownloadFailed": FirmwareStatus.DOWNLOAD_FAILED,
    "SignatureVerified": FirmwareStatus.SIGNATURE_VERIFIED,
    "InvalidSignature": FirmwareStatus.INVALID_SIGNATURE,
    "InstallScheduled": FirmwareStatus.INSTALL_SCHEDULED,
    "Installing": FirmwareStatus.INSTALLING,
    "InstallRebooting": FirmwareStatus.INSTALL_REBOOTING,
    "Installed": FirmwareStatus.INSTALLED,
    "InstallationFailed": FirmwareStatus.INSTALL_FAILED,
    "InstallVerificationFailed": FirmwareStatus.INSTALL_VERIFICATION_FAILED,
    "InvalidCertificate": FirmwareStatus.INVALID_CERTIFICATE,
    "RevokedCertificate": FirmwareStatus.REVOKED_CERTIFICATE,
}
"""FirmwareStatusNotification, and SignedFirmwareStatusNotification of the security white paper."""

LOG: Final = {
    "Idle": LogStatus.IDLE,
    "Uploading": LogStatus.UPLOADING,
    "Uploaded": LogStatus.UPLOADED,
    "UploadFailed": LogStatus.UPLOAD_FAILED,
    "UploadFailure": LogStatus.UPLOAD_FAILED,
    "BadMessage": LogStatus.BAD_MESSAGE,
    "PermissionDenied": LogStatus.PERMISSION_DENIED,
    "NotSupportedOperation": LogStatus.NOT_SUPPORTED,
    "AcceptedCanceled": LogStatus.CANCELED,
}
"""DiagnosticsStatusNotification, and LogStatusNotification of the security white paper."""


def to_firmware_status(payload: Mapping[str, Any], *, network: str, station_id: str) -> FirmwareStatusReported:
    """A word that OCPP does not have is OTHER, never installed."""
    word = str(payload["status"])
    return FirmwareStatusReported(
        network=network,
        station_id=station_id,
        status=FIRMWARE.get(word, FirmwareStatus.OTHER),
        word=word[:MAX_TEXT],
        request_id=whole(payload.get("requestId")),
    )


def to_log_status(payload: Mapping[str, Any], *, network: str, station_id: str) -> LogStatusReported:
    """Likewise."""
    word = str(payload["status"])
    return LogStatusReported(
        network=network,
        station_id=station_id,
        status=LOG.get(word, LogStatus.OTHER),
        word=word[:MAX_TEXT],
        request_id=whole(payload.get("requestId")),
    )


def to_security_event(
    payload: Mapping[str, Any], *, at: datetime, network: str, station_id: str
) -> SecurityEventReported:
    """SecurityEventNotification."""
    return SecurityEventReported(
        network=network,
        station_id=station_id,
        event=str(payload["type"])[:MAX_TEXT],
        at=at,
        info=kept(payload.get("techInfo")),
    )


def to_vendor_data(payload: Mapping[str, Any], *, network: str, station_id: str) -> VendorDataReceived:
    """DataTransfer."""
    data = payload.get("data")
    if data is not None and not isinstance(data, str):
        data = written(data).decode()
    return VendorDataReceived(
        network=network,
        station_id=station_id,
        vendor_id=str(payload["vendorId"])[:MAX_TEXT],
        message_id=kept(payload.get("messageId")),
        data=data[:LONGEST] if data is not None else None,
    )


def to_certificate_requested(
    payload: Mapping[str, Any], *, network: str, station_id: str, is_signed_here: bool
) -> CertificateRequested:
    """SignCertificate. Without a type it is for the station's line to us (and for ISO 15118 as well, where it has that:
    OCPP 2.0.1 part 2, A02)."""
    requested = CertificateRequested(
        network=network,
        station_id=station_id,
        signing_request=str(payload["csr"])[:LONGEST],
        is_for_contracts=payload.get("certificateType", "").startswith("V2G"),
        request_id=whole(payload.get("requestId")),
    )
    return msgspec.structs.replace(requested, objection=_objection(requested, is_signed_here=is_signed_here))


def _objection(requested: CertificateRequested, *, is_signed_here: bool) -> str | None:
    if not is_signed_here:
        return "signs_certificates is off"
    if requested.is_for_contracts:
        return "certificates for ISO 15118 are not signed here"
    try:
        read_signing_request(requested.signing_request, station_id=requested.station_id)
    except Unsignable as error:
        return str(error)
    return None


def certificate_answer(requested: CertificateRequested) -> dict[str, Any]:
    """To SignCertificate."""
    return {"status": "Accepted" if requested.objection is None else "Rejected"}
