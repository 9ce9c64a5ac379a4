"""`prestage subscribers`: which other accounts may subscribe to the bus, to which facts, and report to it."""

from typing import Annotated

import typer

from prestage.bus_policy import Subscriber, SubscriberRefusedError, parsed
from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import show_rows
from prestage.stack import Stack
from prestage_contracts.envelope import Event
from prestage_contracts.operators import SubscriberAllowed, SubscriberChangeData, SubscriberRevoked

app = typer.Typer(help="Which other accounts may subscribe, and to what.", no_args_is_help=True)

Who = Annotated[str, typer.Argument(metavar="WHO", help="An AWS account (twelve digits), or an organisation (o-…).")]


@app.command()
def allow(
    who: Who,
    *,
    facts: Annotated[str, typer.Option(help="The facts that its rules may ask for, with commas between.")],
    reports_as: Annotated[
        str | None, typer.Option(help="A source of its own that it may report checks under, such as qa.smoke.")
    ] = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Let an account make rules on the bus for these facts, and for no others. What it was let before is replaced."""
    subscriber = parsed(who, facts, reports_as)
    found = Stack.named(stack)
    policy = found.bus_policy
    change = _change(SubscriberAllowed, subscriber, found.caller)
    with found.changes.intended(change, refusals=(SubscriberRefusedError,)):
        policy.allow(subscriber)
    typer.echo(f"{who} may make rules for {', '.join(subscriber.facts)} on {policy.bus_arn}")
    if reports_as:
        typer.echo(f"{who} may report checks as {reports_as}")


@app.command("list")
def list_(stack: StackName = DEFAULT_STACK) -> None:
    """List those who may subscribe."""
    allowed = Stack.named(stack).bus_policy.subscribers()
    rows = ((one.principal, ", ".join(one.facts), one.reports_as or "-") for one in allowed)
    show_rows(("account or organisation", "facts", "reports as"), rows)


@app.command()
def revoke(who: Who, stack: StackName = DEFAULT_STACK) -> None:
    """Let an account make no more rules, and report no more. Its rules go on until they are deleted: they are told."""
    found = Stack.named(stack)
    policy = found.bus_policy
    before = next((one for one in policy.subscribers() if one.principal == who), Subscriber(principal=who))
    change = _change(SubscriberRevoked, before, found.caller)
    with found.changes.intended(change, refusals=(SubscriberRefusedError,)):
        policy.revoke(who)
    typer.echo(f"{who} may subscribe to nothing more, and report no more")
    for rule in policy.rules_of(who):
        typer.echo(f"its rule {rule} goes on until it is ended:")
        typer.echo(f"aws events disable-rule --event-bus-name {policy.bus_name} --name {rule}")


def _change(event: type[Event], subscriber: Subscriber, by: str) -> Change:
    data = SubscriberChangeData(
        changed_by=by,
        principal=subscriber.principal,
        facts=subscriber.facts,
        reports_as=subscriber.reports_as,
    )
    return Change(event, data)
