"""What operators asked for and changed, in words: each sentence goes on from who did it."""

from collections.abc import Callable, Mapping
from typing import Any

_CREDENTIALS = {
    "webhook_secret": "the secret of GitHub's webhooks",
    "github_key": "the GitHub App's key",
    "fly_token": "the Fly.io token",
}

WORDS: Mapping[str, Callable[[Any], str]] = {
    "DeployRequested": lambda data: f"asked for {data.app_name}'s {data.branch or 'production'} to be deployed",
    "RetryRequested": lambda data: f"asked for {_environment(data)} to be deployed afresh",
    "StopRequested": lambda data: f"asked for {_environment(data)} to stop",
    "PasswordRequested": lambda data: f"asked for the password of {_environment(data)}",
    "AppRegistered": lambda data: f"added the app {data.app.name}, owned by {data.app.owner}",
    "AppRemoved": lambda data: f"removed the app {data.app.name}, and its secrets",
    "PolicyChanged": lambda data: f"changed the policy of {data.app.name}: {_settings(data)}",
    "AppChanged": lambda data: f"changed {data.app.name}: {_settings(data)}",
    "ConfigChanged": lambda data: f"{data.change} the config value {_variable(data)}",
    "SecretChanged": lambda data: f"{data.change} the secret {_variable(data)}",
    "CheckReleased": lambda data: f"gave the check {data.name} of {data.app.name} back, which was {data.account}'s",
    "UserAdded": lambda data: f"added the user {data.user_id} ({data.name})",
    "UserRemoved": lambda data: f"removed the user {data.user_id} ({data.name})",
    "CertificateImported": lambda data: f"imported *.{data.domain}, valid until {data.not_after:%Y-%m-%d}",
    "CredentialChanged": lambda data: f"changed {_CREDENTIALS[data.credential]}",
    "SubscriberAllowed": lambda data: f"let {data.principal} subscribe to {', '.join(data.facts)}{_reports(data)}",
    "SubscriberRevoked": lambda data: f"let {data.principal} subscribe to nothing more",
    "DeadLetterRedriven": lambda data: f"redrove {_letter(data)}",
    "DeadLetterDiscarded": lambda data: f"discarded {_letter(data)}",
    "EventsReplayed": lambda data: (
        f"replayed {data.since:%Y-%m-%d %H:%M} to {data.until:%Y-%m-%d %H:%M} for {data.subscriber}"
    ),
}
"""By the fact's name, a sentence about its data."""


def in_words(name: str, data: Any) -> str:
    """What was done, and whether it is known that it was."""
    doubt = "" if getattr(data, "confirmed", True) else " (not confirmed: the command broke off)"
    return WORDS[name](data) + doubt


def _environment(data: Any) -> str:
    one = data.environment
    if one.type == "production":
        return f"{one.app_name}'s production"
    return f"{one.app_name}#{one.pull_request.number}" if one.pull_request else f"{one.app_name}@{one.branch}"


def _settings(data: Any) -> str:
    return ", ".join(
        one.setting if one.after is None else f"{one.setting} {one.before} → {one.after}" for one in data.changes
    )


def _variable(data: Any) -> str:
    return f"{data.name} of {data.app.name} for {data.environment_type}"


def _reports(data: Any) -> str:
    return f", and report as {data.reports_as}" if data.reports_as else ""


def _letter(data: Any) -> str:
    return f"a dead letter of {data.reaction} ({data.fact or 'unreadable'}: {data.reason_code})"
