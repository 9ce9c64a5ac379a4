"""Rules on AWS's own bus that wait for a time: they can be looked at, disabled and enabled. No time comes by itself."""

from collections.abc import Mapping, Sequence

from prestage.stage.deployment import Schedule


class Schedules:
    """The schedules of a deployment, all of them enabled at first."""

    def __init__(self, schedules: Sequence[Schedule]) -> None:
        self._schedules = {schedule.name: schedule for schedule in schedules}
        self._disabled: set[str] = set()

    @property
    def names(self) -> Sequence[str]:
        """Those of their rules, in alphabetical order."""
        return sorted(self._schedules)

    @property
    def enabled(self) -> list[Schedule]:
        """Those that would run their functions."""
        return [one for name, one in self._schedules.items() if name not in self._disabled]

    def set_state(self, name: str, *, enabled: bool) -> None:
        """Enable or disable one; KeyError if there is none of that name."""
        change = self._disabled.discard if enabled else self._disabled.add
        change(self._schedules[name].name)

    def told(self, name: str) -> Mapping[str, str]:
        """One as DescribeRule tells of it; KeyError if there is none of that name."""
        found = self._schedules[name]
        return {
            "Name": found.name,
            "Arn": found.arn,
            "EventBusName": "default",
            "ScheduleExpression": found.expression,
            "State": "DISABLED" if name in self._disabled else "ENABLED",
        }
