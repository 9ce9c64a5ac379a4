"""The bus's resource policy: what it lets other accounts do. Those of the stage's own account need none.

Statements that deny are the stage's to know (`Stage`), which holds each source to its owner.
"""

import json
import re
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from prestage.stage.bus_entries import RefusedError
from prestage.stage.roles import Statement, Wish, listed
from prestage.stage.template import TemplateError

LONGEST = 10_240
"""Characters of a policy (EventBridge's quota)."""

_ACCOUNT = re.compile("[0-9]{12}")


def account_of(access_key_id: str, own: str) -> str:
    """The account that a request is from: the stage's own, unless the key is an account's number."""
    return access_key_id if _ACCOUNT.fullmatch(access_key_id) else own


class BusPolicy:
    """A policy that can be replaced as a whole, as PutPermission does. Any number of threads may use it.

    Args:
        statements: that it begins with.
    """

    def __init__(self, statements: Sequence[Mapping[str, Any]] = ()) -> None:
        self._lock = threading.Lock()
        self._statements = list(statements)

    @property
    def text(self) -> str:
        """It as JSON."""
        with self._lock:
            return json.dumps({"Version": "2012-10-17", "Statement": self._statements})

    def replace(self, text: str) -> None:
        """Have another one.

        Raises:
            RefusedError: it is too long, or says what the stage does not know.
        """
        if len(text) > LONGEST:
            raise RefusedError("PolicyLengthExceededException", f"the policy has more than {LONGEST} characters")
        try:
            statements = json.loads(text)["Statement"]
            for statement in statements:
                if statement["Effect"] == "Allow":
                    _statement(statement, "")
        except (ValueError, KeyError, TypeError, TemplateError) as error:
            raise RefusedError("ValidationException", f"no policy that the stage knows: {error}") from error
        with self._lock:
            self._statements = statements

    def have(self, statements: Sequence[Mapping[str, Any]]) -> None:
        """Have just these statements.

        Raises:
            RefusedError: as `replace` does.
        """
        self.replace(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))

    def allows(self, account: str, wish: Wish, organization: str | None = None) -> bool:
        """Whether it lets an account, possibly of an organisation, do that."""
        with self._lock:
            statements = [statement for statement in self._statements if statement["Effect"] == "Allow"]
        about = {"aws:PrincipalAccount": [account], **({"aws:PrincipalOrgID": [organization]} if organization else {})}
        asked = Wish(wish.action, wish.resource, {**wish.context, **about})
        return any(_is_for(one, account) and _statement(one, account).allows(asked) for one in statements)


def _is_for(statement: Mapping[str, Any], account: str) -> bool:
    principal = statement["Principal"]
    named = listed(principal["AWS"]) if isinstance(principal, Mapping) else [principal]
    return bool({"*", account, f"arn:aws:iam::{account}:root"} & {*named})


def _statement(statement: Mapping[str, Any], account: str) -> Statement:
    """With the account in the place of the policy variable for it."""
    known = {name: value for name, value in statement.items() if name not in {"Sid", "Principal"}}
    written = json.dumps(known).replace("${aws:PrincipalAccount}", account)
    return Statement.of(statement.get("Sid", "the bus's policy"), json.loads(written))
