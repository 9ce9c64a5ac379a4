"""What is measured: metrics in the embedded metric format, in a log line, for CloudWatch. Alarms and the dashboard read
them (operations/alarms.yaml), each stack's in the namespace that its functions are told.

Each has the dimension `service`, and some one more whose values are few and known: every combination of dimensions is a
metric of its own, and paid for. Never an environment, an app or a repository.
"""

import os
from dataclasses import dataclass

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric

_NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Prestage")

OTHER = "other"
"""Stands for a reason that is not among `REASONS`."""

REASONS = frozenset(
    {
        "ahead_of_time",
        "another_generation",
        "another_repository",
        "another_version",
        "app_removed",
        "bot",
        "branch_deleted",
        "build_failed",
        "cap",
        "certificate_expired",
        "certificate_missing",
        "certificate_unreadable",
        "closed",
        "command",
        "comment_refused",
        "deployment_refused",
        "dns_refused",
        "draft",
        "expired",
        "fetch_failed",
        "flood",
        "fork",
        "gave_up",
        "github_app_secret",
        "github_not_found",
        "github_refused",
        "github_unauthorized",
        "internal_error",
        "key_refused",
        "label",
        "launch_failed",
        "loop",
        "malformed",
        "name_taken",
        "no_app",
        "no_such_app",
        "no_such_branch",
        "no_such_zone",
        "not_live",
        "not_ready",
        "not_served",
        "not_stated",
        "not_taken",
        "out_of_memory",
        "provider_refused",
        "provider_unauthorized",
        "pull_request_closed",
        "pull_request_merged",
        "runtime_ahead",
        "runtime_gone",
        "secret_unreadable",
        "secrets_expired",
        "secrets_unreadable",
        "start_failed",
        "stop_requested",
        "suspended",
        "too_large",
        "too_many_checks",
        "uninstalled",
        "unknown",
        "unknown_environment",
        "unpack_failed",
    }
)
"""The codes of reasons that are told apart in metrics. `tests/unit/test_measures.py` holds them to the code."""

logger = Logger()
_metrics = Metrics(namespace=_NAMESPACE)


@dataclass(frozen=True)
class Measure:
    """One value of one metric: a count where nothing else is said. The last three are dimensions, one at most.

    `reason` is a reason's code; `cause` is why something is done again, and `detail_type` a fact's name: both from a
    short list in the code.
    """

    name: str
    value: float = 1
    unit: MetricUnit = MetricUnit.Count
    reason: str | None = None
    cause: str | None = None
    detail_type: str | None = None

    @property
    def dimensions(self) -> dict[str, str]:
        """Its dimensions but for the service."""
        bounded = None if self.reason is None else self.reason if self.reason in REASONS else OTHER
        told = {"reason": bounded, "cause": self.cause, "detail_type": self.detail_type}
        return {name: value for name, value in told.items() if value is not None}


def seconds(name: str, value: float) -> Measure:
    """A length of time. Clocks differ a little: none is less than nothing."""
    return Measure(name, max(value, 0.0), MetricUnit.Seconds)


def record(*measures: Measure) -> None:
    """Measure. What can't be measured is logged, and fails nobody."""
    for measure in measures:
        try:
            _record(measure)
        except Exception as error:  # noqa: BLE001  # whoever measures has something more important to do
            logger.warning("not measured", metric=measure.name, error=type(error).__name__)


def count(name: str, value: int = 1) -> None:
    """Count, without a dimension of its own."""
    record(Measure(name, value))


def flush() -> None:
    """Write what was recorded without a dimension of its own, in one line: at the end of an invocation."""
    try:
        if _metrics.metric_set:
            _metrics.flush_metrics()
    except Exception as error:  # noqa: BLE001  # as above
        logger.warning("not measured", error=type(error).__name__)


def _record(measure: Measure) -> None:
    if not measure.dimensions:
        _metrics.add_metric(name=measure.name, unit=measure.unit, value=measure.value)
        return
    with single_metric(name=measure.name, unit=measure.unit, value=measure.value, namespace=_NAMESPACE) as metric:
        for name, value in measure.dimensions.items():
            metric.add_dimension(name=name, value=value)
