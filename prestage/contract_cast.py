"""Who and what the examples of events are about: a shop, its storefront's environments, and those who work on it."""

from datetime import UTC, datetime, timedelta

from prestage_contracts.checks import Check, CheckRecordedData
from prestage_contracts.dns import DomainPointedData
from prestage_contracts.envelope import Reason
from prestage_contracts.ingress import Head, PullRequestTold
from prestage_contracts.reports import CheckReportedData, CheckState
from prestage_contracts.runtimes import Runtime
from prestage_contracts.snapshot import EnvironmentSnapshot, PullRequestReference, Repository
from prestage_contracts.vault import BundleReference, SecretsResolvedData

OPENED_AT = datetime(2026, 3, 2, 9, 14, 5, tzinfo=UTC)

SHOP = Repository(id=702_418_335, full_name="acme/shop")
DEFAULT_BRANCH = "main"
INSTALLATION_ID = 48_113_902
ACCOUNT = "acme"
TAKEN_AWAY = (
    Repository(id=702_420_117, full_name="acme/brochure"),
    Repository(id=702_431_904, full_name="acme/newsletter"),
)
PRESTAGE = "123456789012"
REPORTER = ("210987654321", "acme.quality")
"""The AWS account and the source of the team that checks every preview."""
OPERATOR = "arn:aws:sts::123456789012:assumed-role/prestage-operators/jonas.weber"
MARIA = "maria-lindqvist"

STOREFRONT = "b7c9e2d4-1f3a-5e68-9b0d-2c4a6e8f1d73"
BACK_OFFICE = "e41d7a90-6b2c-5f85-a3d9-8c0e5b7f2146"

PULL_REQUEST = PullRequestReference(
    number=42,
    title="Show delivery costs in the cart",
    html_url="https://github.com/acme/shop/pull/42",
    author=MARIA,
)
SEARCH = PullRequestReference(
    number=38,
    title="Search as you type",
    html_url="https://github.com/acme/shop/pull/38",
    author="tomas-berg",
)
OPENED_SHA = "5c1f0e9b7a3d4826f1b05e7c9d8a6432e0f7b1c4"
PUSHED_SHA = "e03b7d51c2f84a96907c1be4d6a2f5380b9d17ea"
RELEASED_SHA = "17a9c4e2d05b83f6642be0f19d7c3a58e4b0629f"
MERGED_SHA = "b82d6f0c3e9174a5d8120f4b6ce37a95018d2e64"

PREVIEW = EnvironmentSnapshot(
    id="0d5be1a7-90f6-5c3c-8d2a-6f1b7c4e9a35",
    app_id=STOREFRONT,
    app_name="storefront",
    type="preview",
    repository=SHOP,
    installation_id=INSTALLATION_ID,
    branch="delivery-costs",
    sha=OPENED_SHA,
    pull_request=PULL_REQUEST,
    generation=1,
    address="https://prestage-k4w7q2zt5m3xh6ydn2ce.fly.dev",
    created_at=OPENED_AT + timedelta(seconds=3),
)
PRODUCTION = EnvironmentSnapshot(
    id="86f2c40d-7b19-5ea3-b64c-1d9e03a8f752",
    app_id=STOREFRONT,
    app_name="storefront",
    type="production",
    repository=SHOP,
    installation_id=INSTALLATION_ID,
    branch=DEFAULT_BRANCH,
    sha=RELEASED_SHA,
    pull_request=None,
    generation=1,
    address="https://prestage-p6d3vxo2rj7tq4ysb5ha.fly.dev",
    created_at=OPENED_AT - timedelta(days=14),
)
IDLE = EnvironmentSnapshot(
    id="c37e90b2-4d68-5f1a-8e05-7a2b6d9f4c18",
    app_id=STOREFRONT,
    app_name="storefront",
    type="preview",
    repository=SHOP,
    installation_id=INSTALLATION_ID,
    branch="search-as-you-type",
    sha="9f4e2b7065d3c81a0b6f92e4d7150c8ba3e6f2d1",
    pull_request=SEARCH,
    generation=3,
    address="https://prestage-w2nf6ycu4kq7ob3lzt5e.fly.dev",
    created_at=OPENED_AT - timedelta(days=20),
)
CANDIDATE = EnvironmentSnapshot(
    id="5ae81d36-c94b-57f0-9d72-e0b4f6a3c821",
    app_id=STOREFRONT,
    app_name="storefront",
    type="preview",
    repository=SHOP,
    installation_id=INSTALLATION_ID,
    branch="release-candidate",
    sha="3d7c5a9e1f60b842c7e5d3091ab6f84207e9c5d3",
    pull_request=None,
    generation=2,
    address="https://prestage-t7hq3mzx5v2rdn6ykc4a.previews.acme.example",
    created_at=OPENED_AT - timedelta(days=3),
)

ORPHAN = "prestage-y5cb2ox7fw4tkq6zjm3n"
FORGOTTEN = "f90d6b13-82ae-5c47-a1e6-3b5d7f0c9284"


def at(environment: EnvironmentSnapshot, generation: int, sha: str | None = None) -> EnvironmentSnapshot:
    """The environment at a later generation, of another commit or of the same."""
    return environment.model_copy(update={"generation": generation, "sha": sha or environment.sha})


def told(sha: str, seconds: float = 0) -> PullRequestTold:
    """The pull request as GitHub told it that long after it was opened."""
    return PullRequestTold(
        repository=SHOP,
        default_branch=DEFAULT_BRANCH,
        installation_id=INSTALLATION_ID,
        pull_request=PULL_REQUEST,
        author_type="User",
        head=Head(branch=PREVIEW.branch, sha=sha, repository_id=SHOP.id),
        draft=False,
        labels=("cart",),
        updated_at=OPENED_AT + timedelta(seconds=seconds),
    )


def secrets(environment: EnvironmentSnapshot) -> SecretsResolvedData:
    """Its secrets."""
    bundle = BundleReference(environment_id=environment.id, generation=environment.generation)
    return SecretsResolvedData(environment=environment, names=("DATABASE_URL", "STRIPE_API_KEY"), bundle=bundle)


def pointed(environment: EnvironmentSnapshot) -> DomainPointedData:
    """Its own host name, and where that leads."""
    host, target = environment.address.removeprefix("https://"), f"{_fly_app(environment)}.fly.dev"
    return DomainPointedData(environment=environment, host=host, target=target)


def check(environment: EnvironmentSnapshot, state: CheckState, summary: str) -> CheckReportedData:
    """How that team's check of it stands."""
    return CheckReportedData(
        environment_id=environment.id,
        generation=environment.generation,
        name="browser tests",
        state=state,
        summary=summary,
        link="https://quality.acme.example/runs/48112",
    )


def taken(environment: EnvironmentSnapshot, report: CheckReportedData) -> CheckRecordedData:
    """That report, as Prestage took it."""
    said = report.model_dump(include={"name", "state", "summary", "link"})
    return CheckRecordedData(environment=environment, check=Check(**said, account=REPORTER[0]))


def runtime(environment: EnvironmentSnapshot) -> Runtime:
    """Where it runs."""
    return Runtime(
        provider="fly.io",
        fly_app=_fly_app(environment),
        machine_id="3d8d9930b32189",
        region="fra",
        address=environment.address,
    )


def log_url(environment: EnvironmentSnapshot) -> str:
    """Where its log is read."""
    return f"https://fly.io/apps/{_fly_app(environment)}/monitoring"


def internal_error(reaction: str) -> Reason:
    """Why something was given up that nobody foresaw."""
    message = f"An error in Prestage (ClientError); it is in the dead-letter queue of {reaction}"
    return Reason(code="internal_error", message=message)


def _fly_app(environment: EnvironmentSnapshot) -> str:
    return environment.address.removeprefix("https://").partition(".")[0]
