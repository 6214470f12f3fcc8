"""Certificates that stations trust: installed, listed and deleted, in the words of each version.

OCPP 1.6 security white paper and OCPP 2.0.1 part 2, M03 to M05.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from adapters.kit.manifest import OperationResult
from adapters.ocpp.operating import Answer, Asking, Ended, Request, to_result
from adapters.ocpp.text import MAX_TEXT
from contracts.messages.trust import (
    CertificatesTold,
    DeleteCertificate,
    GetInstalledCertificates,
    InstallCertificate,
    InstalledCertificate,
)
from contracts.vocabulary import CertificatePurpose, OperationOutcome

_V16: Final = {
    CertificatePurpose.CENTRAL_SYSTEM: "CentralSystemRootCertificate",
    CertificatePurpose.MANUFACTURER: "ManufacturerRootCertificate",
}
_V201: Final = {
    CertificatePurpose.CENTRAL_SYSTEM: "CSMSRootCertificate",
    CertificatePurpose.MANUFACTURER: "ManufacturerRootCertificate",
    CertificatePurpose.V2G: "V2GRootCertificate",
    CertificatePurpose.CONTRACTS: "MORootCertificate",
    CertificatePurpose.V2G_CHAIN: "V2GCertificateChain",
}
_WORDS: Final[Mapping[str, Mapping[CertificatePurpose, str]]] = {
    "ocpp1.6": _V16,
    "ocpp2.0.1": _V201,
    "ocpp2.1": {**_V201, CertificatePurpose.VEHICLES: "OEMRootCertificate"},
}


async def install(asking: Asking, operation: InstallCertificate) -> OperationResult:
    """M05. Raises ``Ended``."""
    if operation.purpose is CertificatePurpose.V2G_CHAIN:
        raise Ended(OperationOutcome.FAILED, "purpose: a V2G_CHAIN is not installed but signed: SEND_CERTIFICATE")
    said = {"certificateType": _word(asking, operation.purpose), "certificate": operation.certificate}
    return to_result(await asking.say("InstallCertificate", said))


async def get_installed(asking: Asking, operation: GetInstalledCertificates) -> OperationResult:
    """M03. 1.6 is asked for each purpose by itself. That there are none is an answer. Raises ``Ended``."""
    words = [_word(asking, purpose) for purpose in operation.purposes]
    found: list[InstalledCertificate] = []
    if asking.station.protocol == "ocpp1.6":
        for word in words or _V16.values():
            answer = await _listed(asking, {"certificateType": word})
            found += [_certificate(data, word) for data in answer.get("certificateHashData") or ()]
    else:
        answer = await _listed(asking, {"certificateType": words} if words else {})
        found += _of_chains(answer.get("certificateHashDataChain") or ())
    return OperationResult(outcome=OperationOutcome.ACCEPTED, told=CertificatesTold(certificates=tuple(found)))


def from_delete(operation: DeleteCertificate) -> Request:
    """M04. The hash algorithm is the one that the station told (M04.FR.07)."""
    said = {
        "hashAlgorithm": operation.hash_algorithm,
        "issuerNameHash": operation.issuer_name_hash,
        "issuerKeyHash": operation.issuer_key_hash,
        "serialNumber": operation.serial_number,
    }
    return "DeleteCertificate", {"certificateHashData": said}


async def _listed(asking: Asking, payload: dict[str, Any]) -> Answer:
    answer = await asking.say("GetInstalledCertificateIds", payload)
    result = to_result(answer)
    if result.outcome is not OperationOutcome.ACCEPTED and answer.get("status") != "NotFound":
        raise Ended(result.outcome, result.detail or "")
    return answer


def _of_chains(chains: Iterable[Mapping[str, Any]]) -> Iterator[InstalledCertificate]:
    for chain in chains:
        word = str(chain["certificateType"])
        for data in (chain["certificateHashData"], *(chain.get("childCertificateHashData") or ())):
            yield _certificate(data, word)


def _certificate(data: Mapping[str, Any], word: str) -> InstalledCertificate:
    known = (purpose for words in _WORDS.values() for purpose, name in words.items() if name == word)
    return InstalledCertificate(
        purpose=next(known, None),
        hash_algorithm=str(data["hashAlgorithm"])[:MAX_TEXT],
        issuer_name_hash=str(data["issuerNameHash"])[:MAX_TEXT],
        issuer_key_hash=str(data["issuerKeyHash"])[:MAX_TEXT],
        serial_number=str(data["serialNumber"])[:MAX_TEXT],
    )


def _word(asking: Asking, purpose: CertificatePurpose) -> str:
    words = _WORDS[asking.station.protocol]
    if purpose not in words:
        raise Ended(OperationOutcome.NOT_SUPPORTED, f"{asking.station.protocol} knows no certificates for {purpose}")
    return words[purpose]
