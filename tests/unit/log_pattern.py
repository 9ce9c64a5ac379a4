"""CloudWatch Logs' filter patterns, as far as the runbook has them; moto takes those for what matches everything.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import json
import re
from fnmatch import fnmatchcase

_FIELD = r'\$\.(\w+) = "([^"]*)"'
_FIELDS = re.compile(rf"\{{ {_FIELD}(?: \|\| {_FIELD})* \}}")
_ANY = re.compile(r'\?(\w+|"[^"]+")(?: \?(\w+|"[^"]+"))*')


class LogPattern:
    """What a log line has to be: fields of JSON, or one of several terms.

    Raises:
        ValueError: it is neither.
    """

    def __init__(self, pattern: str) -> None:
        self.fields: list[tuple[str, str]] = []
        self._terms: list[str] = []
        if _FIELDS.fullmatch(pattern):
            self.fields = re.findall(_FIELD, pattern)
        elif _ANY.fullmatch(pattern):
            self._terms = [term.strip('"') for term in re.findall(r'\?(\w+|"[^"]+")', pattern)]
        else:
            raise ValueError(f"no pattern that is known here: {pattern}")

    def matches(self, message: str) -> bool:
        """Whether a log line is one of them."""
        if self._terms:
            return any(term in message for term in self._terms)
        try:
            said = json.loads(message)
        except ValueError:
            return False
        return any(fnmatchcase(str(said.get(field)), value) for field, value in self.fields)
