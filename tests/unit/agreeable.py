"""A CloudFormation that agrees to whatever it can read: for what the stage's can't do, of templates that it can't make.

What it answers shows that a command and its options are right, and what it shows; not that AWS would do it.
"""

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from werkzeug.wrappers import Request, Response

from prestage.stage.template import parameter_values, parse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

type _Asked = Mapping[str, str]

_DRIFTED = """<StackResourceDrifts><member><StackId>prestage</StackId><LogicalResourceId>VaultQueue</LogicalResourceId>
<ResourceType>AWS::SQS::Queue</ResourceType><StackResourceDriftStatus>MODIFIED</StackResourceDriftStatus>
<Timestamp>2026-11-28T09:00:00Z</Timestamp></member></StackResourceDrifts>"""


class AgreeableCloudFormation:
    """A WSGI application. `changes` are the templates that were asked for, each with its parameters, by stack."""

    def __init__(self) -> None:
        self.changes: dict[str, tuple[Mapping[str, Any], Mapping[str, str]]] = {}
        self._answers: Mapping[str, Callable[[_Asked], str | None]] = {
            "CreateChangeSet": self._change,
            "DescribeChangeSet": lambda _: "<Status>CREATE_COMPLETE</Status>",
            "DescribeStacks": self._describe,
            "DescribeStackResourceDrifts": lambda _: _DRIFTED,
            "DetectStackDrift": lambda _: "<StackDriftDetectionId>5c3e</StackDriftDetectionId>",
            "ExecuteChangeSet": lambda _: "",
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        asked = Request(environ).form.to_dict()
        action = asked["Action"]
        result = self._answers[action](asked)
        if result is None:
            error = f"<Code>ValidationError</Code><Message>Stack with id {asked['StackName']} does not exist</Message>"
            answer = Response(f"<ErrorResponse><Error>{error}</Error></ErrorResponse>", HTTPStatus.BAD_REQUEST)
        else:
            answer = Response(f"<{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
        return answer(environ, start_response)

    def _change(self, asked: _Asked) -> str:
        """Take a template with its parameters; TemplateError if these are not the template's, or not allowed."""
        template = parse(asked["TemplateBody"])
        keys = [name for name in asked if name.endswith(".ParameterKey")]
        given = {asked[key]: asked.get(key.replace("Key", "Value"), "") for key in keys}
        self.changes[asked["StackName"]] = template, parameter_values(template, given)
        name = escape(asked["ChangeSetName"])
        return f"<Id>arn:aws:cloudformation:us-east-1:123456789012:changeSet/{name}/1</Id><StackId>1</StackId>"

    def _describe(self, asked: _Asked) -> str | None:
        name = asked["StackName"]
        if name not in self.changes:
            return None
        template, _ = self.changes[name]
        outputs = "".join(
            f"<member><OutputKey>{output}</OutputKey><OutputValue>…</OutputValue></member>"
            for output in template["Outputs"]
        )
        told = f"<StackName>{name}</StackName><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>{outputs}</Outputs>"
        return f"<Stacks><member>{told}<CreationTime>2026-11-28T09:00:00Z</CreationTime></member></Stacks>"
