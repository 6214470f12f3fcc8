"""``roaming station certificate``: what stations prove themselves with; ``commands`` takes it in."""

from pathlib import Path
from typing import Annotated, Any

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows, teller
from roaming.cli.station_asking import Group, Network, Station, Stations, Tags, Wait, Why, Written, asks

_PURPOSES = "central-system, manufacturer, v2g, contracts or vehicles"
certificate_app = typer.Typer(help="Certificates of stations (security profile 3).", no_args_is_help=True)


def add_to(station_app: typer.Typer) -> None:
    """Registers the commands."""
    station_app.add_typer(certificate_app, name="certificate")


@certificate_app.command("list")
def certificate_list(
    stations: Stations = [],  # noqa: B006
    days: Annotated[int, typer.Option(min=-1, help="Only what stations use and what ends within so many days.")] = -1,
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List the certificates that stations were given here or came with. Those that end first come first."""
    from roaming.cli.certificates import list_of
    from roaming.operations.selecting import Selection

    selection = Selection(stations=tuple(stations), group=group, tags=tuple(tag), network=network)
    rows = run(list_of(selection, days=None if days < 0 else days))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no certificate is known")


@certificate_app.command("request")
def certificate_request(
    station: Station,
    out: Annotated[Path | None, typer.Option(help="File to write it to; without: it is printed.")] = None,
    network: Network = "",
    as_json: Json = False,
) -> None:
    """Print what a station has requested last and waits for (PKCS #10), to have it signed by another authority."""
    from roaming.cli.certificates import request_of

    found = run(request_of(station, network))
    if out is not None:
        out.write_text(found["csr"])
        found["csr"] = str(out)
    if as_json or out is not None:
        show(found, as_json=as_json)
    else:
        typer.echo(found["csr"])


@certificate_app.command("give")
@asks(is_one=True)
def certificate_give(
    chain: Annotated[Path, typer.Argument(help="PEM file: the station's certificate, then those above it.")],
) -> Written:
    """Send a station the certificate that another authority made of its request."""
    try:
        return {"kind": "SEND_CERTIFICATE", "chain": chain.read_text()}
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{chain}: {error}")


def _installed(operations: Any) -> list[dict[str, Any]]:
    from roaming.cli.certificates import installed_of

    return installed_of(operations)


@certificate_app.command("install")
@asks()
def certificate_install(
    certificate: Annotated[Path, typer.Argument(help="PEM file with one root certificate.")],
    purpose: Annotated[str, typer.Option(help=f"What it is to check: {_PURPOSES}.")] = "central-system",
) -> Written:
    """Give stations a root certificate to trust."""
    try:
        text = certificate.read_text()
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{certificate}: {error}")
    return {"kind": "INSTALL_CERTIFICATE", "purpose": _word(purpose), "certificate": text}


@certificate_app.command("installed")
@asks(rows=_installed)
def certificate_installed(
    purpose: Annotated[list[str], typer.Option(help=f"Only for this: {_PURPOSES} or v2g-chain.")] = [],  # noqa: B006
) -> Written:
    """Ask stations which certificates they trust."""
    return {"kind": "GET_INSTALLED_CERTIFICATES", "purposes": [_word(one) for one in purpose]}


@certificate_app.command("delete")
@asks(is_one=True)
def certificate_delete(
    serial_number: Annotated[str, typer.Option(help="As `certificate installed` shows it; so are the others.")],
    issuer_name_hash: Annotated[str, typer.Option(help="Of its issuer's name.")],
    issuer_key_hash: Annotated[str, typer.Option(help="Of its issuer's key.")],
    hash_algorithm: Annotated[str, typer.Option(help="SHA256, SHA384 or SHA512.")] = "SHA256",
) -> Written:
    """Take a certificate away that a station trusts. The one that it checks us with stays."""
    return {
        "kind": "DELETE_CERTIFICATE",
        "hash_algorithm": hash_algorithm,
        "issuer_name_hash": issuer_name_hash,
        "issuer_key_hash": issuer_key_hash,
        "serial_number": serial_number,
    }


def _word(purpose: str) -> str:
    return purpose.upper().replace("-", "_")


@certificate_app.command("renew")
def certificate_renew(
    stations: Stations = [],  # noqa: B006
    days: Annotated[int, typer.Option(min=0, help="Where the certificate in use ends within so many days.")] = 30,
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    why: Why = "",
    wait: Wait = 30.0,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Have stations request another certificate before theirs ends; `roaming station sign` then gives it to them."""
    from roaming.cli.certificates import renew
    from roaming.cli.operating import Whom, is_done, rows_of

    whom = Whom(stations=tuple(stations), group=group, tags=tuple(tag), network=network, why=why, wait=wait)
    asked = run(renew(whom, days=days, tell=teller(as_json=as_json)))
    empty = f"no certificate in use ends within {days} days"
    show_rows(asked if as_json else rows_of(asked), as_json=as_json, as_csv=as_csv, empty=empty)
    if not is_done(asked):
        raise typer.Exit(1)


@certificate_app.command("revoke")
def certificate_revoke(
    station: Station,
    certificate: Annotated[str, typer.Argument(help="How its fingerprint begins: see `certificate list`.")] = "",
    all_: Annotated[bool, typer.Option("--all", help="All that are known of the station.")] = False,
    why: Why = "",
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Take a certificate no more, and close the connection that was opened with it."""
    from roaming.cli.certificates import revoke

    if bool(certificate) == all_:
        fail("say how the fingerprint begins, or --all")
    rows = run(revoke(station, certificate, network=network, why=why))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="none")
