"""What `sam deploy` asks of AWS as whoever runs it, read from the installed sam."""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import botocore.session
from botocore.waiter import WaiterModel

_MODULES: Mapping[str, str] = {
    "samcli.lib.deploy.deployer": r"self\._client",
    "samcli.lib.utils.managed_cloudformation_stack": "cloudformation_client",
    "samcli.lib.package.s3_uploader": r"self\.s3|self\.transfer_manager",
}
"""Where packages are uploaded and stacks deployed, and what each calls its client."""

_OF_S3: Mapping[str, str] = {
    "delete_object": "s3:DeleteObject",
    "get_object_tagging": "s3:GetObjectTagging",
    "head_object": "s3:GetObject",
    "list_objects_v2": "s3:ListBucket",
    "upload": "s3:PutObject",
}
"""S3's actions are not named as its calls: the Service Authorization Reference."""

NOT_DEPLOYED_WITH: Mapping[str, str] = {
    "cloudformation:CreateStack": "for `sam sync`",
    "cloudformation:DeleteStack": "for --on-failure DELETE, and samconfig.toml says ROLLBACK",
    "cloudformation:RollbackStack": "for --on-failure DELETE",
    "cloudformation:UpdateStack": "for `sam sync`",
    "s3:DeleteObject": "for `sam delete`",
    "s3:GetObjectTagging": "for code that is signed",
}
"""What is in those modules and no deployment here comes to, and why."""


def asked() -> set[str]:
    """The IAM actions of every call in sam's modules. A call that is known to none of the tables is its own name."""
    return {action for module, client in _MODULES.items() for action in _actions(_source(module), client)}


def _source(module: str) -> str:
    found = find_spec(module)
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).read_text(encoding="utf-8")


def _actions(source: str, client: str) -> set[str]:
    calls = re.findall(rf'(?:{client})\.(\w+)\((?:"(\w+)")?', source)
    assert calls, f"sam calls its client no longer {client}"
    if "s3" in client:
        return {_OF_S3.get(call, call) for call, _ in calls}
    return {f"cloudformation:{_operation(call, argument)}" for call, argument in calls}


def _operation(call: str, argument: str) -> str:
    if call == "get_waiter":
        waiters: WaiterModel = botocore.session.Session().get_waiter_model("cloudformation")
        return waiters.get_waiter(_in_camel_case(argument)).operation
    return _in_camel_case(argument if call == "get_paginator" else call)


def _in_camel_case(name: str) -> str:
    return name.title().replace("_", "")
