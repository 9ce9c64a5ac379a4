"""How to reach each part of a stage that stays up, from another terminal."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from github_app.auth import AppCredentials, InstallationTokens
from github_app.client import GitHub, build_http
from prestage.stage.aws import REGION
from prestage.stage.session import CREDENTIALS
from prestage.stage.stage import STACK_NAME, Stage
from records.environments import Environment


def ways_in(stage: Stage, environment: Environment) -> list[str]:
    """What to type in a shell, and before each what it reaches; the first part is needed by all others.

    `environment` is a preview, and the only one that there is.
    """
    outputs, fly_app = stage.deployment.outputs, environment.fly_app
    number = environment.pull_request.number if environment.pull_request else 0
    region = dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), REGION)
    endpoints = {"AWS_ENDPOINT_URL": stage.aws.endpoint, "AWS_ENDPOINT_URL_EVENTBRIDGE": stage.bus_server.url}
    settings = {**CREDENTIALS, **region, **endpoints, "PRESTAGE_STACK": STACK_NAME, "NO_PROXY": "127.0.0.1,.localhost"}
    repository = environment.repository.full_name
    source = stage.fly.machines()[0].config.env["PRESTAGE_SOURCE_URL"]
    secret = f"aws secretsmanager get-secret-value --secret-id {outputs['FlySecretArn']}"
    token = f"$({secret} --query SecretString --output text)"
    entry = f"Source=my.test,DetailType=Hello,Detail='{{}}',EventBusName={outputs['BusName']}"
    prestage = os.path.relpath(Path(sys.executable).with_name("prestage"))
    return [
        *(f"export {name}={value}" for name, value in settings.items()),
        "\nThe preview, and its machine as Fly.io tells of it:",
        f"curl http://{fly_app}.fly.localhost:{stage.fly_edge.port}/",
        f'curl -H "Authorization: Bearer {token}" {stage.fly_server.url}/v1/apps/{fly_app}/machines',
        "\nThe pull request's comment, as the GitHub App reads it:",
        f"curl -K {_as_the_app(stage)} {stage.github_server.url}/repos/{repository}/issues/{number}/comments",
        "\nThe webhook: 401 without a signature, 202 for GitHub's delivery once more:",
        f"curl -i {outputs['WebhookUrl']} -d '{{}}'",
        f"curl -i -K {_as_delivered(stage)} {outputs['WebhookUrl']}",
        "\nThe source, as the machine asks for it (302 to the archive):",
        f"curl -i {source}",
        "\nThe records, the queues, the bus, the stack:",
        f"aws dynamodb scan --table-name {outputs['RecordsTable']}",
        f"aws sqs list-queues --endpoint-url {stage.aws.endpoint}",  # version 1 asks AWS itself otherwise
        f"aws events list-rules --event-bus-name {outputs['BusName']} --endpoint-url {stage.bus_server.url}",
        f'aws events put-events --endpoint-url {stage.bus_server.url} --entries "{entry}"',
        f"aws cloudformation describe-stacks --stack-name {STACK_NAME}",
        "\nThe command line:",
        f"{prestage} apps list",
        f"{prestage} apps show storefront",
        f"{prestage} environments list",
        f"{prestage} environments show 'storefront#{number}'",
        f"{prestage} environments trace {stage.github.deliveries[-1].guid}",
        f"{prestage} environments deploy storefront",
        f"printf %s hush | {prestage} secrets set storefront TOKEN",
    ]


def _as_the_app(stage: Stage) -> Path:
    """A file of curl options: what the App sends with each request."""
    [app] = stage.stack.apps.list_all()
    credentials = AppCredentials.parse(stage.secrets["GitHubAppSecret"])
    with build_http() as http:
        github = GitHub(http, stage.github_server.url, clock=stage.stack.clock)
        tokens = InstallationTokens(github, lambda: credentials, stage.stack.clock)
        token = tokens.token(app.installation_id, app.repository.id, {"pull_requests": "read"})
    headers = {
        "Authorization": f"Bearer {token.get_secret_value()}",
        "Accept": "application/vnd.github+json",
        "X-GitHub-Api-Version": "2022-11-28",
        "User-Agent": "prestage",
    }
    return _curl_options(stage.folder / "app.curl", headers)


def _as_delivered(stage: Stage) -> Path:
    """A file of curl options: GitHub's last delivery, with its signature."""
    delivery = stage.github.deliveries[-1]
    body = stage.folder / "delivery.json"
    body.write_bytes(delivery.body)
    return _curl_options(stage.folder / "delivery.curl", delivery.headers, f'data-binary = "@{body}"')


def _curl_options(path: Path, headers: Mapping[str, str], *more: str) -> Path:
    lines = [f'header = "{name}: {value}"' for name, value in headers.items()]
    path.write_text("\n".join([*lines, *more, ""]), encoding="utf-8")
    return path
