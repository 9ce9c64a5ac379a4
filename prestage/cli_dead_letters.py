"""`prestage dead-letters`: what reactions could not do, why, and doing it again."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Annotated

import typer

from prestage.changes import Change
from prestage.cli_options import DEFAULT_STACK, StackName
from prestage.cli_output import printable, show_rows
from prestage.cli_story import about, clock_time, gist_of
from prestage.dead_letters import Around, DeadLetter, DeadLetters, pretty
from prestage.stack import Stack
from prestage_contracts.envelope import Event
from prestage_contracts.operators import DeadLetterChangeData, DeadLetterDiscarded, DeadLetterRedriven

app = typer.Typer(help="What could not be done, why, and doing it again.", no_args_is_help=True)

Letter = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id, or how it begins.")]
Reaction = Annotated[str | None, typer.Option("--reaction", help="Only those of this reaction, such as runtimes.")]

_SHORT_ID = 8
_REDRIVE = "then redrive it"
_OF_ANOTHER_RELEASE = "then use the release that knows the fact to redrive it, or discard it"
_OTHERWISE = "mend what it says, " + _REDRIVE

ADVICE: Mapping[str, str] = {
    "internal_error": "an error in Prestage: its function's log says where. Mend it, deploy, " + _REDRIVE,
    "unfinished": "see in its function's log why it was stopped each time (time-out, memory). Mend that, " + _REDRIVE,
    "gave_up": "see that what it waited for is there again, " + _REDRIVE,
    "not_stated": "see that the bus is there and that the function's role may publish, " + _REDRIVE,
    "undelivered": "see that the queue, its policy and its key let EventBridge send to it, " + _REDRIVE,
    "secret_unreadable": "see that the secret has a value and that the function's role may read it, " + _REDRIVE,
    "github_unauthorized": "put the GitHub App's id and a private key that GitHub knows into the secret, " + _REDRIVE,
    "github_not_found": "install the GitHub App on the repository, or `prestage apps reconnect`, " + _REDRIVE,
    "github_app_secret": "put the GitHub App's credentials into its secret as README says, " + _REDRIVE,
    "provider_unauthorized": "put a token that Fly.io accepts for the organisation into its secret, " + _REDRIVE,
    "key_refused": "enable the KMS key again, and see that the function's role may use it, " + _REDRIVE,
    "no_such_zone": "deploy the stack with the zone's id as HostedZoneId, " + _REDRIVE,
    "malformed": "nothing can be done with it: see who stated it, then discard it",
    "not_taken": "nothing can be done with it here: mend the queue's rule, then discard it",
    "loop": "facts lead to one another without an end: mend that, then discard it",
}
"""What to do about each code of a reason, where its fact can be read."""


@app.command("list")
def list_(reaction: Reaction = None, stack: StackName = DEFAULT_STACK) -> None:
    """List the dead letters, the oldest first. Times are UTC."""
    letters = _letters(Stack.named(stack), reaction).list_all(reaction)
    rows = (
        (letter.id[:_SHORT_ID], clock_time(letter.sent_at), letter.reaction, _name(letter), _about(letter), letter.code)
        for letter in letters
    )
    show_rows(("id", "since (UTC)", "reaction", "fact", "about", "reason"), rows)


@app.command()
def show(letter: Letter, stack: StackName = DEFAULT_STACK) -> None:
    """Tell what one is, why it is there, and what to do about it."""
    found = _letters(Stack.named(stack)).get(letter)
    for name, value in _described(found):
        typer.echo(f"{name:<14}{printable(value)}")
    typer.echo("\n" + "\n".join(map(printable, pretty(found.body).splitlines())))


@app.command()
def redrive(
    letter: Annotated[str | None, typer.Argument(metavar="[ID]", help="Its id, or how that begins.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every one, in place of one by its id.")] = False,
    reaction: Reaction = None,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Give one to its reaction again, or all. What was done before it was given up is not done twice."""
    if (letter is None) != every or (letter is not None and reaction):
        raise typer.BadParameter("say an ID, or --all, which --reaction narrows")
    found = Stack.named(stack)
    letters, around = _letters(found, reaction), _stating(found, DeadLetterRedriven)
    able, unable = letters.redrive_all(reaction, around) if letter is None else ([letters.redrive(letter, around)], [])
    for one in able:
        typer.echo(f"redriven to {one.reaction}: {one.id} ({_name(one)})")
    for one in unable:
        typer.echo(printable(f"left: {one.id} ({one.code}): {_advice(one)}"))
    if not able and not unable:
        typer.echo("there are none")


@app.command()
def discard(
    letter: Letter,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stack: StackName = DEFAULT_STACK,
) -> None:
    """Delete one for good: what it says is never done."""
    of = Stack.named(stack)
    letters = _letters(of)
    found = letters.get(letter)
    if not yes:
        typer.confirm(f"Delete {_name(found)} for {found.reaction} ({_about(found)}) for good?", abort=True)
    letters.discard(found.id, _stating(of, DeadLetterDiscarded))
    typer.echo(f"discarded {found.id}")


def _letters(stack: Stack, reaction: str | None = None) -> DeadLetters:
    letters = stack.dead_letters
    if reaction is not None and reaction not in letters.reactions:
        raise typer.BadParameter(f"--reaction: one of {', '.join(letters.reactions)}")
    return letters


def _stating(stack: Stack, event: type[Event]) -> Around:
    def around(letter: DeadLetter) -> AbstractContextManager[object]:
        data = DeadLetterChangeData(
            changed_by=stack.caller,
            letter_id=letter.id,
            reaction=letter.reaction,
            reason_code=letter.code,
            fact=letter.fact.name() if letter.fact else None,
        )
        return stack.changes.intended(Change(event, data))

    return around


def _described(letter: DeadLetter) -> Iterator[tuple[str, str]]:
    yield "dead letter", letter.id
    yield "for", f"the reaction {letter.reaction}" + (", which it never reached" if letter.undelivered else "")
    yield "since", f"{clock_time(letter.sent_at)} UTC"
    yield "fact", f"{_name(letter)} {_says(letter)}".rstrip()
    yield "about", _about(letter)
    yield "reason", f"{letter.message} ({letter.code})"
    yield "what to do", _advice(letter)
    if letter.fact is not None:
        yield "its story", f"prestage events show {letter.fact.metadata.correlation_id}"
        yield "in the log", f"event_id {letter.fact.metadata.event_id}"
    if letter.can_be_redriven:
        yield "to redrive", f"prestage dead-letters redrive {letter.id[:_SHORT_ID]}"
    yield "to discard", f"prestage dead-letters discard {letter.id[:_SHORT_ID]}"


def _advice(letter: DeadLetter) -> str:
    """What its reason asks for; a fact that this release can't read is not redriven by it, whatever the reason."""
    advice = ADVICE.get(letter.code, _OTHERWISE)
    return advice if letter.can_be_redriven else advice.replace(_REDRIVE, _OF_ANOTHER_RELEASE)


def _name(letter: DeadLetter) -> str:
    return letter.named or "no fact"


def _says(letter: DeadLetter) -> str:
    if letter.fact is None:
        return "(which can't be read)" if letter.named else ""
    said = gist_of(letter.fact)
    return f"({said})" if said else ""


def _about(letter: DeadLetter) -> str:
    return about(letter.fact) if letter.fact else "-"
