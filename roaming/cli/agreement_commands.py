"""Commands about who may see and use what; ``commands`` takes them into its groups."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, run, show, show_rows

Cpo = Annotated[str, typer.Argument(help="The operator, such as NL-HUB.")]
Emsp = Annotated[str, typer.Argument(help="The drivers' company, such as DE-EMS.")]
GroupKind = Annotated[str, typer.Argument(help="parties, locations or tokens.")]
Force = Annotated[bool, typer.Option("--force", help="Even where what it names is not there yet.")]
GroupName = Annotated[str, typer.Argument(help="The group's name.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    agreement_app = typer.Typer(
        help="Agreements between a CPO and an eMSP: nothing flows without.", no_args_is_help=True
    )
    agreement_app.command("list")(agreement_list)
    agreement_app.command("add")(agreement_add)
    agreement_app.command("end")(agreement_end)
    agreement_app.command("readings")(agreement_readings)
    rule_app = typer.Typer(help="Rules over agreements: who sees and uses what.", no_args_is_help=True)
    rule_app.command("list")(rule_list)
    rule_app.command("add")(rule_add)
    rule_app.command("remove")(rule_remove)
    rule_app.command("log")(rule_log)
    group_app = typer.Typer(help="Groups of parties, locations and tokens that rules name.", no_args_is_help=True)
    group_app.command("list")(group_list)
    group_app.command("add")(group_add)
    group_app.command("remove")(group_remove)
    operator_app = typer.Typer(
        help="Tokens for this hub's own API (/api/why, /api/rules, /api/stations …).", no_args_is_help=True
    )
    operator_app.command("list")(operator_list)
    operator_app.command("add")(operator_add)
    operator_app.command("remove")(operator_remove)
    app.add_typer(operator_app, name="operator")
    app.add_typer(agreement_app, name="agreement")
    app.add_typer(rule_app, name="rule")
    app.add_typer(group_app, name="group")
    app.command("why")(why)


def agreement_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List agreements, also ended ones."""
    from roaming.cli.agreeing import list_agreements

    empty = "no agreement yet: roaming agreement add NL-HUB DE-EMS"
    show_rows(run(list_agreements()), as_json=as_json, as_csv=as_csv, empty=empty)


def agreement_add(cpo: Cpo, emsp: Emsp, as_json: Json = False) -> None:
    """Put an agreement in force: their locations, tariffs, tokens, charges flow from now on."""
    from roaming.cli.agreeing import change_agreement

    show(run(change_agreement(cpo, emsp, is_active=True)), as_json=as_json)


def agreement_end(cpo: Cpo, emsp: Emsp, as_json: Json = False) -> None:
    """End an agreement: nothing flows any more, and what was seen is told to be gone."""
    from roaming.cli.agreeing import change_agreement

    show(run(change_agreement(cpo, emsp, is_active=False)), as_json=as_json)


def agreement_readings(
    cpo: Cpo,
    emsp: Emsp,
    choose: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE, such as rounded_at=LINE; the default takes it back.")
    ] = None,
    reset: Annotated[bool, typer.Option(help="Back to the defaults, before --set.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """How the two read tariffs where the texts leave a choice: show, or set for charges that begin from now on."""
    from roaming.cli.agreed_readings import show_readings

    rows = run(show_readings(cpo, emsp, chosen=choose or [], reset=reset))
    show_rows(rows, as_json=as_json, as_csv=as_csv, empty="")


def rule_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List rules. Of those that fit the narrowest decides: by place, then command, then who (tokens first); of equals
    the refusal; of prices the one that holds for a time."""
    from roaming.cli.agreeing import list_rules

    empty = "no rule yet: agreements open everything; roaming rule add deny locations NL-HUB --location LOC1"
    show_rows(run(list_rules()), as_json=as_json, as_csv=as_csv, empty=empty)


def rule_add(
    effect: Annotated[str, typer.Argument(help="allow, deny, or price: connectors are offered with other tariffs.")],
    kind: Annotated[
        str, typer.Argument(help="locations (who sees them), tariffs, tokens (who may charge there) or commands.")
    ],
    of: Annotated[str, typer.Argument(help="Whose: NL-HUB, or group:NAME of locations.")],
    who: Annotated[
        str, typer.Option(help="everybody, partner:ID, party:DE-EMS, or group:NAME of parties.")
    ] = "everybody",
    location: Annotated[str, typer.Option(help="This location alone.")] = "",
    evse: Annotated[str, typer.Option(help="This EVSE of the location alone, by uid.")] = "",
    tariff: Annotated[str, typer.Option(help="This tariff alone.")] = "",
    command: Annotated[str, typer.Option(help="This command alone, such as UNLOCK_CONNECTOR.")] = "",
    tariffs: Annotated[list[str] | None, typer.Option("--with", help="A tariff that a price rule offers.")] = None,
    tokens: Annotated[
        str, typer.Option(help="A group of tokens: the price is for their charges alone, before any other.")
    ] = "",
    valid_from: Annotated[
        str, typer.Option("--from", help="A price for charges that begin then or later, such as 2026-12-01T00:00:00Z.")
    ] = "",
    valid_until: Annotated[str, typer.Option("--until", help="And before this.")] = "",
    note: Annotated[str, typer.Option(help="Why: people read it where the rule decides.")] = "",
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Add a rule, in place of one about the same; partners are told what they see from now on."""
    from roaming.cli.agreeing import add_rule, moment
    from roaming.partners.wishes import RuleWish

    wish = RuleWish(
        effect=effect,
        kind=kind,
        of=of,
        who=who,
        location=location,
        evse=evse,
        tariff=tariff,
        command=command,
        tariffs=tuple(tariffs or ()),
        tokens=tokens,
        valid_from=moment("--from", valid_from),
        valid_until=moment("--until", valid_until),
        note=note,
        force=force,
    )
    show(run(add_rule(wish)), as_json=as_json)


def rule_remove(
    number: Annotated[int, typer.Argument(help="From `roaming rule list`.")], as_json: Json = False
) -> None:
    """Remove a rule; partners are told what they see from now on."""
    from roaming.cli.agreeing import remove_rule

    show(run(remove_rule(number)), as_json=as_json)


def rule_log(
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Most rows to show.")] = 100,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """List who changed agreements, rules and groups, the newest first: by commands and over HTTP."""
    from roaming.cli.agreeing import list_changes

    show_rows(run(list_changes(limit)), as_json=as_json, as_csv=as_csv, empty="nobody has changed anything yet")


def group_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List groups with their members."""
    from roaming.cli.agreeing import list_groups

    empty = "no group yet: roaming group add locations NAME NL-HUB/LOC1"
    show_rows(run(list_groups()), as_json=as_json, as_csv=as_csv, empty=empty)


def group_add(
    kind: GroupKind,
    name: GroupName,
    members: Annotated[
        list[str],
        typer.Argument(
            help="NL-HUB in a group of parties, NL-HUB/LOC1 in one of locations,"
            " DE-EMS/UID (or /GROUP_ID) in one of tokens."
        ),
    ],
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Put members into a group, which begins with the first one."""
    from roaming.cli.agreeing import change_group

    show(run(change_group(kind, name, members, is_adding=True, is_forced=force)), as_json=as_json)


def group_remove(
    kind: GroupKind,
    name: GroupName,
    members: Annotated[list[str] | None, typer.Argument(help="Without any: all of them.")] = None,
    as_json: Json = False,
) -> None:
    """Take members out of a group."""
    from roaming.cli.agreeing import change_group

    show(run(change_group(kind, name, members or [], is_adding=False)), as_json=as_json)


OperatorName = Annotated[str, typer.Argument(help="Who or what asks, such as dashboard.")]


def operator_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List who may ask this hub's own API."""
    from roaming.cli.agreeing import list_operators

    empty = "nobody yet: roaming operator add NAME"
    show_rows(run(list_operators()), as_json=as_json, as_csv=as_csv, empty=empty)


def operator_add(
    name: OperatorName,
    party: Annotated[
        str,
        typer.Option(
            help="Whose stations alone it may watch (/api/feed, /api/webhooks …), such as NL-HUB; empty: all."
        ),
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a token for this hub's own API, printed once: it is stored as a digest."""
    from roaming.cli.agreeing import new_operator

    show(run(new_operator(name, party=party)), as_json=as_json)


def operator_remove(name: OperatorName, as_json: Json = False) -> None:
    """End a token at once."""
    from roaming.cli.agreeing import end_operator

    show(run(end_operator(name)), as_json=as_json)


def why(
    partner_id: Annotated[str, typer.Argument(help="Its short name: see `roaming partner list`.")],
    what: Annotated[str, typer.Argument(help="A location's id, an EVSE's uid or EVSE id, or LOCATION/EVSE.")],
    kind: Annotated[
        str, typer.Option(help="What it is: location (also for an EVSE), tariff, token, session, cdr.")
    ] = "location",
    party: Annotated[str, typer.Option(help="Whose, where several use the id.")] = "",
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Say whether a partner sees something and what it may do there, each with the rule that decided."""
    from roaming.cli.agreeing import why as reasons

    rows = run(reasons(partner_id, what, kind=kind, party=party))
    shown = rows if as_json else [{**row, "also": "; ".join(row["also"])} for row in rows]
    show_rows(shown, as_json=as_json, as_csv=as_csv, empty="")
