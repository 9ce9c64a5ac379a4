"""Rules of a bus, as EventBridge's API makes and removes them: those of other accounts as the bus's policy allows."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_pascal

from prestage.stage.bus import Bus
from prestage.stage.bus_entries import RefusedError
from prestage.stage.bus_policy import account_of
from prestage.stage.deployment import Rule, Target
from prestage.stage.roles import Context, Wish
from prestage.stage.schedules import Schedules

_AWSS_OWN = frozenset({None, "default"})
"""The names of the account's default bus."""


class Asked(BaseModel):
    """What an operation is asked with. What it does not know is left alone, as EventBridge does."""

    model_config = ConfigDict(frozen=True, alias_generator=to_pascal)


class _OfRule(Asked):
    event_bus_name: str | None = None
    name: str = Field(min_length=1, max_length=64, pattern=r"^[.\-_A-Za-z0-9]+$")

    @property
    def is_on_awss_own(self) -> bool:
        """Whether it is about a rule on the account's default bus."""
        return self.event_bus_name in _AWSS_OWN


class _PutRule(_OfRule):
    event_pattern: str
    state: str = "ENABLED"


class _OfTargets(Asked):
    event_bus_name: str | None = None
    rule: str


class _PutTargets(_OfTargets):
    class Target(Asked):
        class Group(Asked):
            message_group_id: str | None = None

        class DeadLetters(Asked):
            arn: str

        id: str
        arn: str
        sqs_parameters: Group = Group()
        dead_letter_config: DeadLetters | None = None

    targets: list[Target]


class _RemoveTargets(_OfTargets):
    ids: list[str]


class RuleOperations:
    """PutRule, DescribeRule, EnableRule, DisableRule, DeleteRule, ListRules, and those of targets.

    Of `schedules`, which are on AWS's own bus, those that list, describe, enable and disable.
    """

    def __init__(self, bus: Bus, schedules: Schedules) -> None:
        self._bus = bus
        self._schedules = schedules
        self._creators: dict[str, str] = {}
        self.by_name: Mapping[str, Callable[[Any, str], Mapping[str, Any]]] = {
            "PutRule": self._put_rule,
            "DescribeRule": self._describe_rule,
            "EnableRule": partial(self._set_state, enabled=True),
            "DisableRule": partial(self._set_state, enabled=False),
            "DeleteRule": self._delete_rule,
            "PutTargets": self._put_targets,
            "RemoveTargets": self._remove_targets,
            "ListTargetsByRule": self._list_targets,
            "ListRules": self._list_rules,
        }

    def _put_rule(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _PutRule.model_validate(asked)
        try:
            pattern = json.loads(wanted.event_pattern)
        except ValueError:
            raise RefusedError("InvalidEventPatternException", "the pattern is not JSON") from None
        context = {
            f"events:{key}": [one if isinstance(one, str) else json.dumps(one) for one in pattern[key]]
            for key in ("source", "detail-type")
            if key in pattern
        }
        self._check(access_key_id, "PutRule", wanted.event_bus_name, wanted.name, context)
        found = self._bus.rule(wanted.name)
        targets, enabled = found.targets if found else (), wanted.state != "DISABLED"
        rule = Rule(wanted.name, self._arn(wanted.name), self._bus.name, pattern, targets, enabled)
        self._bus.put_rule(rule)
        self._creators.setdefault(wanted.name, account_of(access_key_id, self._bus.account))
        return {"RuleArn": rule.arn}

    def _describe_rule(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _OfRule.model_validate(asked)
        if wanted.is_on_awss_own:
            return self._scheduled(wanted.name)
        self._check(access_key_id, "DescribeRule", wanted.event_bus_name, wanted.name)
        return {**_told(self._known(wanted.name)), "CreatedBy": self._creators.get(wanted.name, self._bus.account)}

    def _set_state(self, asked: Any, access_key_id: str, *, enabled: bool) -> Mapping[str, Any]:
        wanted = _OfRule.model_validate(asked)
        if wanted.is_on_awss_own:
            self._scheduled(wanted.name)
            self._schedules.set_state(wanted.name, enabled=enabled)
            return {}
        self._check(access_key_id, "EnableRule" if enabled else "DisableRule", wanted.event_bus_name, wanted.name)
        self._bus.put_rule(replace(self._known(wanted.name), enabled=enabled))
        return {}

    def _scheduled(self, name: str) -> Mapping[str, Any]:
        try:
            return self._schedules.told(name)
        except KeyError:
            raise RefusedError("ResourceNotFoundException", f"there is no rule {name} on the default bus") from None

    def _delete_rule(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _OfRule.model_validate(asked)
        self._check(access_key_id, "DeleteRule", wanted.event_bus_name, wanted.name)
        found = self._bus.rule(wanted.name)
        if found and found.targets:
            raise RefusedError("ValidationException", "Rule can't be deleted since it has targets.")
        self._bus.remove_rule(wanted.name)
        self._creators.pop(wanted.name, None)
        return {}

    def _put_targets(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _PutTargets.model_validate(asked)
        self._check(access_key_id, "PutTargets", wanted.event_bus_name, wanted.rule)
        rule = self._known(wanted.rule)
        added = [
            Target(
                arn=one.arn,
                message_group=one.sqs_parameters.message_group_id,
                dead_letter_arn=one.dead_letter_config.arn if one.dead_letter_config else None,
                id=one.id,
            )
            for one in wanted.targets
        ]
        by_id = {one.id: one for one in (*rule.targets, *added)}  # one of the same id is replaced, all others stay
        self._bus.put_rule(replace(rule, targets=tuple(by_id.values())))
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _remove_targets(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _RemoveTargets.model_validate(asked)
        self._check(access_key_id, "RemoveTargets", wanted.event_bus_name, wanted.rule)
        rule = self._known(wanted.rule)
        left = tuple(one for one in rule.targets if one.id not in wanted.ids)
        self._bus.put_rule(replace(rule, targets=left))
        return {"FailedEntryCount": 0, "FailedEntries": []}

    def _list_targets(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        wanted = _OfTargets.model_validate(asked)
        self._check(access_key_id, "ListTargetsByRule", wanted.event_bus_name, wanted.rule)
        return {"Targets": _targets(self._known(wanted.rule))}

    def _list_rules(self, asked: Any, access_key_id: str) -> Mapping[str, Any]:
        bus = asked.get("EventBusName")
        prefix = asked.get("NamePrefix", "")
        if bus in _AWSS_OWN:
            names = [name for name in self._schedules.names if name.startswith(prefix)]
            return {"Rules": [self._schedules.told(name) for name in names]}
        self._check(access_key_id, "ListRules", bus, None)
        return {"Rules": [_told(rule) for rule in self._bus.rules if rule.name.startswith(prefix)]}

    def _known(self, name: str) -> Rule:
        rule = self._bus.rule(name)
        if rule is None:
            raise RefusedError("ResourceNotFoundException", f"there is no rule {name}")
        return rule

    def _check(
        self, access_key_id: str, action: str, bus: str | None, rule: str | None, context: Context | None = None
    ) -> None:
        """Whether it is this bus, and the caller may do that to the rule.

        Raises:
            RefusedError: it is not, or may not.
        """
        self._bus.check_name(bus)
        account = account_of(access_key_id, self._bus.account)
        if account == self._bus.account:
            return
        creator = self._creators.get(rule or "", self._bus.account if rule and self._bus.rule(rule) else None)
        about = {**(context or {}), **({"events:creatorAccount": [creator]} if creator else {})}
        resource = self._arn(rule) if rule else self._bus.arn
        if not self._bus.policy.allows(account, Wish(f"events:{action}", resource, about)):
            raise RefusedError("AccessDeniedException", f"{account} is not authorized to perform: events:{action}")

    def _arn(self, rule: str) -> str:
        return f"arn:aws:events:{self._bus.region}:{self._bus.account}:rule/{self._bus.name}/{rule}"


def _told(rule: Rule) -> Mapping[str, str]:
    return {
        "Name": rule.name,
        "Arn": rule.arn,
        "EventBusName": rule.bus,
        "EventPattern": json.dumps(rule.pattern),
        "State": "ENABLED" if rule.enabled else "DISABLED",
    }


def _targets(rule: Rule) -> list[Mapping[str, Any]]:
    return [
        {"Id": target.id, "Arn": target.arn}
        | ({"SqsParameters": {"MessageGroupId": target.message_group}} if target.message_group else {})
        | ({"DeadLetterConfig": {"Arn": target.dead_letter_arn}} if target.dead_letter_arn else {})
        for target in rule.targets
    ]
