"""Commands about the operator's own certificate authority; ``commands`` takes them into the app."""

from pathlib import Path
from typing import Annotated

import typer

from roaming.cli.output import Json, fail, show

authority_app = typer.Typer(help="Our own authority for stations' certificates.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.add_typer(authority_app, name="authority")


@authority_app.command("create")
def authority_create(
    folder: Annotated[Path, typer.Argument(help="Where authority.pem and authority.key shall lie.")],
    name: Annotated[str, typer.Option(help="Its common name, such as the operator's.")],
    as_json: Json = False,
) -> None:
    """Make an authority that signs the certificates of stations (security profile 3)."""
    from datetime import UTC, datetime

    from roaming.operations.authority import create_authority

    try:
        certificate, key = create_authority(folder, name, now=datetime.now(UTC))
    except (OSError, ValueError) as error:
        fail(f"{error}; an authority is never replaced: take another folder")
    said = {
        "certificate": str(certificate),
        "key": str(key),
        "note": "set ROAMING_AUTHORITY_CERTIFICATE and ROAMING_AUTHORITY_KEY; give the certificate, never the key, to"
        " the OCPP adapter as tls_client_authorities, and set its signs_certificates",
    }
    show(said, as_json=as_json)
