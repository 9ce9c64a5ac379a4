"""AWS, stood in for by moto: the tables, keys, queues and secrets of template.yaml.

moto's event bus is not one, and its Lambda runs nothing: what those would do is described, for the stage to do.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from botocore.config import Config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sqs.models import sqs_backends

from prestage.stage import moto_pace
from prestage.stage.aws_calls import ByService, Call, Recorded
from prestage.stage.closing import Closing
from prestage.stage.deployment import Deployment, Reader, Resource
from prestage.stage.lambda_settings import LambdaSettings
from prestage.stage.resources import Physical, maker
from prestage.stage.roles import Guarded
from prestage.stage.sam import translate
from prestage.stage.schema_registry import SchemaRegistry
from prestage.stage.serve import Server
from prestage.stage.session import local_session
from prestage.stage.stacks import Stacks
from prestage.stage.template import Intrinsics, Template, TemplateError, load, parameter_values

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ACCOUNT = DEFAULT_ACCOUNT_ID
REGION = "us-east-1"

_PROFILES = ("AWS_PROFILE", "AWS_DEFAULT_PROFILE")


class _Dispatcher(DomainDispatcherApplication):
    """moto by host; it lists its own folder to find a host in, so that is done once for each."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self.get_backend_for_host = cache(super().get_backend_for_host)  # type: ignore[method-assign]  # the same, kept


class LocalAws(Closing):
    """moto, served on 127.0.0.1, and empty at first. moto has one state per process: one of these at a time."""

    def __init__(self, *, region: str = REGION) -> None:
        moto_pace.hurry()
        # moto makes AWS sessions of its own in this process, for which a profile of the caller's need not exist.
        self._profiles = {name: os.environ.pop(name) for name in _PROFILES if name in os.environ}
        self._stacks = Stacks(lambda name: _arn(region, "cloudformation", f"stack/{name}/stage"))
        self.functions = LambdaSettings(lambda name: _arn(region, "lambda", f"function:{name}"))
        self.schemas = SchemaRegistry()
        own: dict[str, WSGIApplication] = {
            "cloudformation": self._stacks,
            "lambda": self.functions,
            "schemas": self.schemas,
        }
        services = ByService(_Dispatcher(), own)
        self._guarded = Guarded(services, lambda service, rest: _arn(region, service, rest))
        self._recorded = Recorded(self._guarded)
        self.server = Server(self._recorded)
        self.endpoint = self.server.url
        self.region = region
        self.session = local_session(region)
        self._clients: dict[str, Any] = {}
        self._elsewhere: dict[str, str] = {}
        httpx.post(f"{self.endpoint}/moto-api/reset", trust_env=False, timeout=10).raise_for_status()

    @property
    def calls(self) -> list[Call]:
        """What was asked so far, by whomever."""
        return self._recorded.calls

    @property
    def refused(self) -> list[str]:
        """What functions asked for that their roles don't allow, in words."""
        return self._guarded.refused

    def client(self, service: str) -> Any:
        """The boto3 client for a service here. This machine's own AWS configuration has no say in it."""
        if service not in self._clients:
            config = Config(proxies={}, retries={"total_max_attempts": 1})
            endpoint = self._elsewhere.get(service, self.endpoint)
            self._clients[service] = self.session.client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]  # any service
        return self._clients[service]

    def send_elsewhere(self, service: str, endpoint: str) -> None:
        """Let clients for a service, which are made when first asked for, find it at that endpoint."""
        self._elsewhere[service] = endpoint

    def deploy(
        self,
        template_path: Path,
        parameters: Mapping[str, str],
        *,
        stack_name: str,
        api_url: str,
        secrets: Mapping[str, str] | None = None,
    ) -> Deployment:
        """Create what the template describes, and describe what only the stage can be.

        Args:
            template_path: the SAM template.
            parameters: its parameters, where they are not to have their defaults.
            stack_name: what every name begins with.
            api_url: where the stage serves the HTTP API, without a slash at the end.
            secrets: first values of secrets, by logical id; one without, and not generated, has no value.

        Raises:
            TemplateError: the template, or a parameter, is not what the stage can deploy.
        """
        template = load(template_path)
        values = parameter_values(template, parameters)
        translated = translate(template, values, self.session)
        folder = template_path.parent
        stack = _Stack(self, translated, values, folder=folder, name=stack_name, api_url=api_url, secrets=secrets or {})
        deployment = stack.deploy()
        self._stacks.add(stack_name, deployment.outputs, values, stack.made)
        self.functions.add(deployment.functions)
        self.schemas.add(stack.within)
        keys = {function.logical_id: function.access_key_id for function in deployment.functions}
        self._guarded.roles |= {keys[name]: role for name, role in deployment.roles.items()}
        return deployment

    def next_visible(self, queue_urls: Sequence[str]) -> datetime | None:
        """The next moment at which a message of these queues can be received: a past one, if one can be now.

        None if they are empty.
        """
        names = {url.rpartition("/")[2] for url in queue_urls}
        queues = sqs_backends[ACCOUNT][self.region].queues
        messages = [message for name in names & queues.keys() for message in list(queues[name]._messages)]  # noqa: SLF001  # SQS doesn't tell
        return datetime.fromtimestamp(min(one.visible_at for one in messages) / 1000, UTC) if messages else None

    def close(self) -> None:
        """Stop serving."""
        self.server.close()
        os.environ.update(self._profiles)


def _arn(region: str, service: str, rest: str) -> str:
    return f"arn:aws:{service}:{region}:{ACCOUNT}:{rest}"


class _Stack:
    """One deployment. A resource is made when it is first referred to, so that nothing refers to what is not there."""

    def __init__(
        self,
        aws: LocalAws,
        template: Template,
        parameters: Mapping[str, str],
        *,
        folder: Path,
        name: str,
        api_url: str,
        secrets: Mapping[str, str],
    ) -> None:
        self._aws = aws
        self._folder = folder
        self.made: list[Resource] = []
        self.within: list[Resource] = []
        self.client = aws.client
        self.name = name
        self.region = aws.region
        self.api_url = api_url
        self.secrets = secrets
        self._template = template
        self._intrinsics = Intrinsics({**parameters, **self._pseudo_parameters()}, _conditions(template), self._look_up)
        self._physical: dict[str, Physical | None] = {}
        self._declared: Mapping[str, Mapping[str, Any]] = {
            logical_id: resource for logical_id, resource in template["Resources"].items() if self._stands(resource)
        }

    def deploy(self) -> Deployment:
        """Make everything; nothing, if there is a resource of a type that is not known."""
        resources = self.made = self.resources()
        reader = Reader(resources)
        return Deployment(
            stack_name=self.name,
            account=ACCOUNT,
            region=self.region,
            functions=reader.functions(),
            routes=reader.routes(),
            rules=reader.rules(),
            schedules=reader.schedules(),
            archives=reader.archives(),
            roles=reader.roles(),
            alarms=Reader([*resources, *self.within]).alarms(),
            statements=reader.statements(),
            outputs=self.outputs(),
        )

    def resources(self) -> list[Resource]:
        """Everything there is in it, made; nothing is, if there is a resource of a type that is not known."""
        for logical_id, resource in self._declared.items():
            maker(logical_id, resource["Type"])
        return [self._resource(logical_id) for logical_id in self._declared]

    def properties(self, logical_id: str) -> Mapping[str, Any]:
        """The resource's properties, resolved."""
        properties: Mapping[str, Any] = self._intrinsics.resolve(self._declared[logical_id].get("Properties", {}))
        return properties

    def named(self, logical_id: str) -> str:
        """The name that a resource is given which has none of its own."""
        return f"{self.name}-{logical_id}"

    def arn(self, service: str, rest: str, *, region: str | None = None) -> str:
        """An ARN in the stage's account, and in its region unless told another."""
        return _arn(self.region if region is None else region, service, rest)

    def nest(self, logical_id: str, template_url: str, parameters: Mapping[str, str]) -> Mapping[str, str]:
        """Deploy the template beside this one as a stack within it; gives its outputs."""
        path = self._folder / template_url
        if not path.is_file():
            raise TemplateError(f"{logical_id}: there is no file {template_url} beside the template")
        template = load(path)
        values = parameter_values(template, parameters)
        name = self.named(logical_id)
        nested = _Stack(
            self._aws, template, values, folder=path.parent, name=name, api_url=self.api_url, secrets=self.secrets
        )
        self.within += nested.resources()
        return nested.outputs()

    def _resource(self, logical_id: str) -> Resource:
        made = self._make(logical_id)
        kind = self._declared[logical_id]["Type"]
        return Resource(logical_id, kind, self.properties(logical_id), made.ref, made.attributes)

    def _make(self, logical_id: str) -> Physical:
        if logical_id not in self._declared:
            raise TemplateError(f"the template has no resource or parameter {logical_id}")
        if logical_id not in self._physical:
            self._physical[logical_id] = None  # until it is made: whoever asks for it meanwhile goes in a circle
            self._physical[logical_id] = maker(logical_id, self._declared[logical_id]["Type"])(self, logical_id)
        made = self._physical[logical_id]
        if made is None:
            raise TemplateError(f"{logical_id} refers to itself")
        return made

    def _look_up(self, logical_id: str, attribute: str | None) -> str:
        made = self._make(logical_id)
        if attribute is None:
            return made.ref
        if attribute not in made.attributes:
            raise TemplateError(
                f"{logical_id} has no attribute {attribute} on the stage: add it in prestage/stage/resources.py"
            )
        return made.attributes[attribute]

    def _stands(self, declared: Mapping[str, Any]) -> bool:
        return "Condition" not in declared or self._intrinsics.holds(declared["Condition"])

    def outputs(self) -> dict[str, str]:
        """Its outputs."""
        declared = self._template.get("Outputs", {})
        standing = {name: output for name, output in declared.items() if self._stands(output)}
        return {name: str(self._intrinsics.resolve(output["Value"])) for name, output in standing.items()}

    def _pseudo_parameters(self) -> dict[str, str]:
        return {
            "AWS::AccountId": ACCOUNT,
            "AWS::Partition": "aws",
            "AWS::Region": self.region,
            "AWS::StackId": self.arn("cloudformation", f"stack/{self.name}/stage"),
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }


def _conditions(template: Template) -> Mapping[str, Any]:
    conditions: Mapping[str, Any] = template.get("Conditions", {})
    return conditions
