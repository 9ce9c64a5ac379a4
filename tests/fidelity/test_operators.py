"""What operators change is told to whoever subscribes, and leads to nothing of Prestage's own."""

from prestage_contracts import EVENTS, Event
from prestage_contracts.operators import ChangeData
from tests.fidelity.template_policy import referred
from tests.fidelity.test_rules import REACTIONS, sent


def is_change(event: type[Event]) -> bool:
    kind = event.model_fields["data"].annotation
    return isinstance(kind, type) and issubclass(kind, ChangeData)


def test_what_operators_change_is_sent_to_the_journal_alone() -> None:
    changes = {name for name, event in EVENTS.items() if is_change(event)}
    assert "SecretChanged" in changes
    takers = {name for name, (_, event) in REACTIONS.items() if changes & {*sent(referred(event["Queue"]))}}
    assert takers == {"JournalFunction"}
