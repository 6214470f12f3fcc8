"""Commands that check partners' CDRs, and their options; ``commands`` takes them into its groups."""

from typing import Annotated

import typer

from roaming.cli.output import Csv, Json, fail, run, show, show_rows, teller

rules_app = typer.Typer(help="How strict partners' CDRs are looked at.", no_args_is_help=True)
Month = Annotated[str, typer.Option(help="Charges that ended in this month, such as 2026-10 (UTC); empty: this one.")]
CdrParty = Annotated[str, typer.Option(help="The CPO that issued it, such as NL-TNM.")]
RulePartner = Annotated[str, typer.Argument(help="A partner's short name, or `all`.")]


def add_to(cdr_app: typer.Typer) -> None:
    """Registers the commands."""
    cdr_app.add_typer(rules_app, name="rules")
    cdr_app.command("check")(cdr_check)
    cdr_app.command("accept")(cdr_accept)


def cdr_check(
    cdr_id: Annotated[list[str] | None, typer.Argument(help="Only these CDRs; none: all of the month.")] = None,
    month: Month = "",
    partner: Annotated[str, typer.Option(help="Only those that this partner gave us.")] = "",
    party: CdrParty = "",
    tries: Annotated[
        list[str] | None, typer.Option("--try", help="A rule to be tried, such as late_days=3 or LATE=dispute.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Store no verdicts.")] = False,
    passed: Annotated[bool, typer.Option(help="Those that the hub passed on, from its journal.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Also CDRs that nothing is wrong with.")] = False,
    summary: Annotated[bool, typer.Option(help="Count by partner, outcome and kind.")] = False,
    as_json: Json = False,
    as_csv: Csv = False,
) -> None:
    """Check CDRs of partners: price, session, driver, place, power, times, others beside it; and what is at stake."""
    from roaming.cli.cdr_checking import check_cdrs, summary_of

    if passed and cdr_id:
        fail("--passed: looks at a month; leave the ids away")
    rows = run(
        check_cdrs(
            cdr_id or [],
            month=month,
            partner=partner,
            party=party,
            tried=tries or [],
            is_dry_run=dry_run,
            is_passed=passed,
            is_all=every,
            tell=teller(as_json=as_json or as_csv),
        )
    )
    show_rows(summary_of(rows) if summary else rows, as_json=as_json, as_csv=as_csv, empty="nothing is wrong")


def cdr_accept(
    cdr_id: Annotated[str, typer.Argument(help="A partner's, from `roaming cdr check`.")],
    note: Annotated[str, typer.Option(help="Why it is taken as it is.")],
    party: CdrParty = "",
    as_json: Json = False,
) -> None:
    """Take a partner's CDR as it is, whatever the check found."""
    from roaming.cli.cdr_checking import accept_cdr

    show(run(accept_cdr(cdr_id, party=party, note=note)), as_json=as_json)


@rules_app.command("list")
def rules_list(as_json: Json = False, as_csv: Csv = False) -> None:
    """List the rules in force, and which are defaults."""
    from roaming.cli.cdr_checking import list_rules

    show_rows(run(list_rules()), as_json=as_json, as_csv=as_csv, empty="")


@rules_app.command("set")
def rules_set(
    partner: RulePartner,
    change: Annotated[list[str], typer.Argument(help="Such as late_days=14, most_kwh=300, LATE=accept.")],
    as_json: Json = False,
) -> None:
    """Change rules of one partner, or of all that have none of their own. Try them first: `cdr check --try`."""
    from roaming.cli.cdr_checking import set_rules

    show(run(set_rules(partner, change)), as_json=as_json)


@rules_app.command("reset")
def rules_reset(partner: RulePartner, as_json: Json = False) -> None:
    """Forget the rules of a partner."""
    from roaming.cli.cdr_checking import reset_rules

    show(run(reset_rules(partner)), as_json=as_json)
