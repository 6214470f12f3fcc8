"""Invoice reconciliation: which CDRs an invoice bills, told to whoever got the invoice."""

from datetime import timedelta

from roaming.model.party import InterfaceRole, Role
from roaming.model.version import Version
from roaming.modules.invoicereconciliation import repository, service
from roaming.modules.invoicereconciliation.routes import ROUTES
from roaming.ocpi.module import DeliveryKind, DeliveryRules, OcpiModule
from roaming.ocpi.pulling import PullRules

MODULE = OcpiModule(
    id="invoicereconciliation",
    versions=(Version.V2_3_0,),
    interfaces=(InterfaceRole.SENDER, InterfaceRole.RECEIVER),
    routes=ROUTES,
    delivery=DeliveryRules(
        kind=DeliveryKind.RECORD,
        interface=InterfaceRole.RECEIVER,
        read=repository.DOCUMENTS.read_many,
        audience=service.audience,
        build=service.build,
        find_copy=service.find_copy,
        give_up_after=timedelta(hours=72),
        is_evidence=True,
    ),
    pull=PullRules(
        role=Role.CPO,
        more_roles=(Role.EMSP,),
        is_for_hosted_only=True,
        codecs=service.CODECS,
        documents=repository.DOCUMENTS,
        take=service.take_pulled,
        drop=service.drop,
        is_per_recipient=True,
    ),
)
