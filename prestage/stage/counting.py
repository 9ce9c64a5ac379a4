"""What a happening costs: calls, counted where they arrive. The journal's are apart: nobody waits for them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from prestage.stage.faults import Request
from prestage.stage.stage import Stage

type Counts = Mapping[str, Counter[str]]
"""By what was called, how often each thing was asked for."""

_AWS = {
    "DynamoDB": "dynamodb",
    "KMS": "kms",
    "EventBridge": "events",
    "SQS, by functions": "sqs",
    "Secrets Manager": "secretsmanager",
}
"""Services by their names, and as signatures name them."""

_JOURNAL = "stage-JournalFunction"
_GITHUB_API = re.compile(r"^[A-Z]+ /(app|repos|repositories)")
_ONE_OF = re.compile(r"(?<=/)(tarball|apps|machines|comments|pulls|certificates)/[^/]+$")
"""The end of a path that names one thing."""


class Counting:
    """Counts from its construction on. What people and tests ask for themselves counts with Fly.io and GitHub."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._marks = {name: len(calls) for name, calls in self._all().items()}

    def taken(self) -> Counts:
        """The calls until now, and the facts that were stated."""
        return {name: Counter(calls[self._marks[name] :]) for name, calls in self._all().items()}

    def _all(self) -> Mapping[str, Sequence[str]]:
        stage = self._stage
        asked = [call for call in (*stage.aws.calls, *stage.bus_calls.calls) if call.access_key_id.startswith("stage-")]
        of_aws = {name: [call for call in asked if call.service == service] for name, service in _AWS.items()}
        journal = [call for call in of_aws["DynamoDB"] if call.access_key_id == _JOURNAL]
        of_aws["DynamoDB"] = [call for call in of_aws["DynamoDB"] if call.access_key_id != _JOURNAL]
        return {
            **{name: [call.action for call in calls] for name, calls in of_aws.items()},
            "DynamoDB, journal": [call.action for call in journal],
            "GitHub": [_named(one) for one in stage.github.requests if _GITHUB_API.search(f"{one.method} {one.path}")],
            "Fly.io": [_named(one) for one in stage.fly.requests],
            "facts": [fact["detail-type"] for fact in stage.bus.events],
        }


def _named(request: Request) -> str:
    one = _ONE_OF.search(request.path)
    return f"{request.method} {f'{one[1]}/…' if one else request.path.rpartition('/')[2]}"
