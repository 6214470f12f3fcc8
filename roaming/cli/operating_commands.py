"""What can be asked of stations, as commands: the same for every version of OCPP. ``commands`` takes them in."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows
from roaming.cli.station_asking import Group, Network, Stations, Tags, Written, asks

config_app = typer.Typer(help="Settings of stations.", no_args_is_help=True)
profile_app = typer.Typer(help="Charging profiles of stations.", no_args_is_help=True)

Connector = Annotated[int | None, typer.Option(min=0, help="Number of the connector; without: the whole station.")]


def add_to(station_app: typer.Typer) -> None:
    """Registers the commands."""
    for name, command in _COMMANDS.items():
        station_app.command(name)(command)
    station_app.add_typer(config_app, name="config")
    station_app.add_typer(profile_app, name="profile")


@asks()
def station_reset(
    now: Annotated[
        bool, typer.Option("--now", help="At once, whatever charges; else when charges have ended.")
    ] = False,
) -> Written:
    """Start stations anew."""
    return {"kind": "RESET", "is_immediate": now}


@asks()
def station_availability(
    state: Annotated[str, typer.Argument(help="`on`: for drivers; `off`: out of use.")],
    connector: Connector = None,
) -> Written:
    """Take stations or connectors out of use, or back. While a car charges it is SCHEDULED for the end of that."""
    if state not in ("on", "off"):
        fail(f"{state}: on or off")
    return {"kind": "CHANGE_AVAILABILITY", "is_operative": state == "on", "connector_id": connector}


@asks()
def station_sign() -> Written:
    """Sign the certificates that stations have requested last, with our own authority, and send them."""
    return {"kind": "SIGN_CERTIFICATE"}


@asks()
def station_new_password() -> Written:
    """Give each station a new password of its line to us, which nobody sees; the old one is good until it has come with
    the new one. To set one yourself: `station config set --set AuthorizationKey=...`, or `station bind --password`."""
    return {"kind": "CHANGE_PASSWORD"}


@asks()
def station_raise(
    profile: Annotated[int, typer.Option(min=1, max=3, help="1: password; 2: over TLS; 3: client certificate.")],
    url: Annotated[str, typer.Option(help="Where OCPP 2.x stations then come, such as wss://hub.example/.")] = "",
    slot: Annotated[
        int | None, typer.Option(min=0, help="Network profile to write (2.x); without: a free one.")
    ] = None,
    interface: Annotated[str, typer.Option(help="The station's line (2.x), such as Wireless0.")] = "",
) -> Written:
    """Have stations come with a higher security profile; less is refused from when they have. Else they stay as is."""
    said = {"profile": profile, "url": url or None, "slot": slot, "interface": interface or None}
    return {"kind": "RAISE_SECURITY_PROFILE"} | said


@asks()
def station_trigger(
    what: Annotated[
        str,
        typer.Argument(
            help="boot, status, heartbeat, meter-values, transaction, firmware-status, log-status or"
            " certificate-request."
        ),
    ],
    connector: Connector = None,
) -> Written:
    """Make stations say something now."""
    return {"kind": "TRIGGER", "what": what.upper().replace("-", "_"), "connector_id": connector}


@asks(is_one=True)
def station_start(
    token: Annotated[str, typer.Option(help="UID of the driver's token: see `roaming token list`.")],
    connector: Connector = None,
) -> Written:
    """Start a charge. ACCEPTED means that the station will try; `roaming session list` shows whether it runs."""
    return {"kind": "START_CHARGING", "token_uid": token, "connector_id": connector}


@asks(is_one=True)
def station_stop(
    transaction: Annotated[
        str, typer.Option(help="Its number at the station; empty: the only charge that runs there.")
    ] = "",
) -> Written:
    """End a charge."""
    return {"kind": "STOP_CHARGING", "transaction_id": transaction or None}


@asks(is_one=True)
def station_unlock(
    connector: Annotated[int, typer.Option(min=1, help="Number of the connector.")] = 1,
) -> Written:
    """Let a stuck cable go."""
    return {"kind": "UNLOCK_CONNECTOR", "connector_id": connector}


@asks(is_one=True)
def station_reserve(
    token: Annotated[str, typer.Option(help="UID of the driver's token.")],
    minutes: Annotated[int, typer.Option(min=1, max=1440, help="For how many minutes.")] = 15,
    connector: Connector = None,
    reservation: Annotated[str, typer.Option(help="Its id; empty: a new one. The same again replaces.")] = "",
) -> Written:
    """Keep a connector, or any, for a driver."""
    import uuid
    from datetime import UTC, datetime, timedelta

    return {
        "kind": "RESERVE",
        "token_uid": token,
        "reservation_id": reservation or uuid.uuid4().hex[:20],
        "expires_at": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat(),
        "connector_id": connector,
    }


@asks(is_one=True)
def station_cancel(
    reservation: Annotated[str, typer.Argument(help="Id of the reservation: see `roaming station operations`.")],
) -> Written:
    """Take a reservation back."""
    return {"kind": "CANCEL_RESERVATION", "reservation_id": reservation}


@asks()
def station_clear_cache() -> Written:
    """Make stations forget which tokens were good."""
    return {"kind": "CLEAR_CACHE"}


@asks()
def station_list_version() -> Written:
    """Ask stations which version of their local list of tokens they have; `station sync-list` sends it."""
    return {"kind": "GET_LOCAL_LIST_VERSION"}


@asks()
def station_transfer(
    vendor: Annotated[str, typer.Argument(help="Whose message it is, such as com.example.")],
    message: Annotated[str, typer.Option(help="Which message.")] = "",
    data: Annotated[str, typer.Option(help="What is said.")] = "",
) -> Written:
    """Say something that only one make of station understands (DataTransfer)."""
    return {"kind": "TRANSFER_DATA", "vendor_id": vendor, "message_id": message or None, "data": data or None}


@asks()
def station_call(
    action: Annotated[str, typer.Argument(help="Of the station's version of OCPP, such as TriggerMessage.")],
    payload: Annotated[str, typer.Option(help="A JSON object; @FILE reads it from a file.")] = "{}",
) -> Written:
    """Send a request as it stands, for what no other command can say. Its schema must allow it."""
    text = Path(payload[1:]).read_text() if payload.startswith("@") else payload
    return {"kind": "CALL_RAW", "action": action, "payload": text}


@asks()
def station_update(
    url: Annotated[
        str, typer.Argument(help="Where stations fetch the firmware; `hub:ID` for a file of `roaming firmware list`.")
    ],
    retries: Annotated[int | None, typer.Option(min=0, help="How often a station tries; empty: as it likes.")] = None,
    fetch_at: Annotated[str, typer.Option(help="When it is fetched, such as 2026-11-24T02:00:00Z; empty: now.")] = "",
    install_at: Annotated[
        str, typer.Option(help="When it is installed, likewise (1.6: with --signature only); empty: at once.")
    ] = "",
    certificate: Annotated[Path | None, typer.Option(help="PEM of who signed it; with --signature.")] = None,
    signature: Annotated[str, typer.Option(help="Base64, of the file.")] = "",
) -> Written:
    """Make stations fetch firmware and install it; `roaming station show` tells how it goes."""
    if bool(certificate) != bool(signature):
        fail("--certificate and --signature: give both")
    return {
        "kind": "UPDATE_FIRMWARE",
        "url": url,
        "retries": retries,
        "retrieve_at": fetch_at or None,
        "install_at": install_at or None,
        "signing_certificate": certificate.read_text() if certificate else None,
        "signature": signature or None,
    }


@asks()
def station_log(
    url: Annotated[str, typer.Option(help="Where stations upload it; empty: here, see `roaming firmware logs`.")] = "",
    kind: Annotated[str, typer.Option("--log", help="diagnostics or security.")] = "diagnostics",
    since: Annotated[str, typer.Option(help="No older entries: such as 2026-11-24T02:00:00Z, or 2h ago.")] = "",
    until: Annotated[str, typer.Option(help="No newer ones, likewise.")] = "",
) -> Written:
    """Make stations upload a log; `roaming station show` tells how it goes."""
    said = {"kind": "UPLOAD_LOG", "log": kind.upper(), "url": url or "hub:"}
    return said | {"oldest": _moment(since), "latest": _moment(until)}


def _moment(text: str) -> str | None:
    """A time, or so long ago."""
    from datetime import UTC, datetime

    from roaming.monitoring.moments import moment_of

    try:
        return moment_of(text, datetime.now(UTC)).isoformat() if text else None
    except ValueError as error:
        fail(str(error))


_SHOWN = {
    "connectors": ("connector", "status", "since", "location", "evse_uid"),
    "deviations": ("times", "kind", "meaning"),
    "operations": ("created_at", "kind", "outcome", "detail", "who", "why"),
    "reports": ("at", "kind", "status", "detail"),
    "told": ("at", "kind", "times"),
}


def station_show(
    station: Annotated[str, typer.Argument(help="Station id.")], network: Network = "", as_json: Json = False
) -> None:
    """Show a station: its connectors, what runs, what was asked of it, what it said of firmware, logs and security,
    how often it has strayed from its specification, and how often all else came that it reports (--json: the last)."""
    from roaming.cli.operating import show_station

    told = run(show_station(station, network))
    for name, columns in _SHOWN.items() if not as_json else ():
        told[name] = [" ".join(str(row[column]) for column in columns if row.get(column)) for row in told[name]]
    show(told, as_json=as_json)


def station_operations(
    station: Annotated[str, typer.Option(help="Only of this station.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind, such as RESET.")] = "",
    outcome: Annotated[str, typer.Option(help="Only with this outcome, such as REJECTED.")] = "",
    batch: Annotated[str, typer.Option(help="Only those asked together.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many rows.")] = 50,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List what was asked of stations: who, why, what they said, how long it took. The newest first."""
    from roaming.cli.operating import list_operations

    wanted = {"station_id": station, "kind": kind.upper(), "outcome": outcome.upper(), "batch_id": batch}
    rows = run(list_operations(limit, wanted))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="nothing was asked of stations yet")


def _labelled(stations: Sequence[str], group: str, tags: Sequence[str], network: str) -> Any:
    from roaming.cli.operating import Whom

    return Whom(stations=tuple(stations), group=group, tags=tuple(tags), network=network)


def station_group(
    name: Annotated[str, typer.Argument(help="Name of the group; empty text: out of it. A station is in one at most.")],
    stations: Stations = [],  # noqa: B006
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Put stations into a group."""
    from roaming.cli.operating import label

    rows = run(label(_labelled(stations, group, tag, network), group=name))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no station")


def station_sync_list(
    stations: Stations = [],  # noqa: B006
    full: Annotated[bool, typer.Option("--full", help="Send all of it anew, whatever is known of the list.")] = False,
    per_message: Annotated[int, typer.Option(min=1, max=1000, help="Tokens that stations take in a message.")] = 100,
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Tokens on a list at most.")] = 1000,
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to wait for the stations.")] = 60.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show how many tokens each would have.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Bring the lists by which stations decide offline in line with the tokens here: only what differs is sent."""
    from roaming.cli.operating import Whom, sync_lists

    whom = Whom(stations=tuple(stations), group=group, tags=tuple(tag), network=network, wait=wait, is_dry_run=dry_run)
    rows = run(sync_lists(whom, is_full=full, per_message=per_message, most=most))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no station")
    if any(row.get("state", "SYNCED") != "SYNCED" for row in rows):
        raise typer.Exit(1)


def station_groups(as_json: Json = False, as_csv: Csv = False) -> None:
    """List groups and how many stations are in them."""
    from roaming.cli.operating import list_groups

    show_rows(run(list_groups()), as_json=as_json, as_csv=as_csv, empty="no station is in a group")


def station_tag(
    stations: Stations = [],  # noqa: B006
    add: Annotated[list[str], typer.Option(help="A tag to put on.")] = [],  # noqa: B006
    remove: Annotated[list[str], typer.Option(help="A tag to take off.")] = [],  # noqa: B006
    group: Group = "",
    tag: Tags = [],  # noqa: B006
    network: Network = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Put tags on stations, or take them off."""
    from roaming.cli.operating import label

    rows = run(label(_labelled(stations, group, tag, network), add=add, remove=remove))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="no station")


_COMMANDS: dict[str, Callable[..., None]] = {
    "show": station_show,
    "start": station_start,
    "stop": station_stop,
    "unlock": station_unlock,
    "reset": station_reset,
    "availability": station_availability,
    "trigger": station_trigger,
    "sign": station_sign,
    "raise": station_raise,
    "new-password": station_new_password,
    "reserve": station_reserve,
    "cancel": station_cancel,
    "clear-cache": station_clear_cache,
    "update": station_update,
    "log": station_log,
    "transfer": station_transfer,
    "call": station_call,
    "operations": station_operations,
    "list-version": station_list_version,
    "sync-list": station_sync_list,
    "group": station_group,
    "groups": station_groups,
    "tag": station_tag,
}


def _settings(operations: Any) -> list[dict[str, Any]]:
    from roaming.cli.operating import settings_of

    return settings_of(operations)


@config_app.command("keys")
def config_keys(as_json: Json = False, as_csv: Csv = False) -> None:
    """List settings that are known, what they are called in OCPP 1.6 and 2.x, and what they mean."""
    from roaming.cli.operating import known_settings

    show_rows(known_settings(), as_json=as_json, as_csv=as_csv, empty="none")


@config_app.command("get")
@asks(rows=_settings)
def config_get(
    setting: Annotated[list[str], typer.Option(help="A setting, by either name; without: all.")] = [],  # noqa: B006
) -> Written:
    """Ask stations for settings."""
    return {"kind": "GET_CONFIGURATION", "keys": list(setting)}


@config_app.command("report")
@asks(rows=_settings, seconds=60.0)
def config_report(
    criterion: Annotated[
        list[str], typer.Option(help="Components that are active, available, enabled, or have a problem.")
    ] = [],  # noqa: B006
    component: Annotated[
        list[str], typer.Option(help="Component or Component.Variable, such as EVSE(1); may be given again.")
    ] = [],  # noqa: B006
) -> Written:
    """Ask stations of OCPP 2.x for parts of their device model, such as all that has a problem."""
    if not criterion and not component:
        fail("--criterion, --component: give one of them; `config get` asks for all settings")
    wanted = [word.upper() for word in criterion]
    return {"kind": "REPORT_COMPONENTS", "criteria": wanted, "names": list(component)}


@config_app.command("set")
@asks(seconds=60.0)
def config_set(
    setting: Annotated[list[str], typer.Option("--set", help="KEY=VALUE, by either name; in this order.")],
) -> Written:
    """Change settings of stations. REBOOT_REQUIRED: in force after `roaming station reset`."""
    entries = []
    for text in setting:
        name, sign, value = text.partition("=")
        if not sign or not name:
            fail(f"--set {name}: KEY=VALUE")
        entries.append({"key": name, "value": value})
    return {"kind": "SET_CONFIGURATION", "entries": entries}


@profile_app.command("set")
@asks()
def profile_set(
    step: Annotated[list[str], typer.Option(help="SECONDS:LIMIT, such as 0:16; from then on, in order.")],
    purpose: Annotated[
        str, typer.Option(help="station-max, transaction-default (charges to come), or transaction (one that runs).")
    ] = "transaction-default",
    unit: Annotated[str, typer.Option(help="A (per phase) or W.")] = "A",
    profile: Annotated[int, typer.Option("--id", min=1, help="Its number; the same again replaces.")] = 1,
    level: Annotated[int, typer.Option(min=0, help="Of several of one purpose the highest counts.")] = 0,
    connector: Connector = None,
    transaction: Annotated[str, typer.Option(help="With --purpose transaction.")] = "",
    daily_from: Annotated[
        str, typer.Option(help="Time from which it begins anew each day, such as 2026-11-23T22:00:00Z.")
    ] = "",
    dynamic: Annotated[bool, typer.Option("--dynamic", help="One limit: `profile move` moves it (OCPP 2.1).")] = False,
    pull: Annotated[int | None, typer.Option(min=1, help="With --dynamic: stations ask so often, in seconds.")] = None,
) -> Written:
    """Limit stations, their charges to come, or a charge that runs."""
    limits = []
    for text in step:
        seconds, _, value = text.partition(":")
        if not seconds.isdigit() or not value.replace(".", "", 1).isdigit():
            fail(f"--step {text}: SECONDS:LIMIT, such as 0:16")
        limits.append({"starts_after": int(seconds), "limit": value})
    return {
        "kind": "SET_CHARGING_PROFILE",
        "profile_id": profile,
        "purpose": purpose.upper().replace("-", "_"),
        "stack_level": level,
        "connector_id": connector,
        "transaction_id": transaction or None,
        "recurrence": "DAILY" if daily_from else None,
        "is_dynamic": dynamic,
        "pull_every": pull,
        "schedule": {"unit": unit.upper(), "limits": limits, "starts_at": daily_from or None},
    }


@profile_app.command("clear")
@asks()
def profile_clear(
    profile: Annotated[int | None, typer.Option("--id", help="Its number; without: all that fit.")] = None,
    purpose: Annotated[str, typer.Option(help="Only those: station-max, transaction-default or transaction.")] = "",
    connector: Connector = None,
) -> Written:
    """Take charging profiles away: those that fit all that is said."""
    return {
        "kind": "CLEAR_CHARGING_PROFILES",
        "profile_id": profile,
        "purpose": purpose.upper().replace("-", "_") or None,
        "connector_id": connector,
    }


@profile_app.command("show")
@asks()
def profile_show(
    seconds: Annotated[int, typer.Option(min=1, max=86_400 * 7, help="How many seconds ahead.")] = 3600,
    connector: Connector = None,
) -> Written:
    """Ask stations which limits hold, all profiles told."""
    return {"kind": "GET_COMPOSITE_SCHEDULE", "duration": seconds, "connector_id": connector}
