"""What is on pages and can't be typed on the stage, and what sees to it there. Everything else is typed."""

import re
from collections.abc import Mapping
from functools import cache

from tests.unit.documented import ROOT, commands_of, pages, typed_words

_CI = (ROOT / ".ci" / "run").read_text()
_MAKEFILE = (ROOT / "Makefile").read_text()

TARGETS: Mapping[str, tuple[str, ...]] = {
    target: tuple(needs.split("##")[0].replace("|", " ").split())
    for target, needs in re.findall(r"^([a-z-]+):(?!.*:=)(.*)$", _MAKEFILE, re.MULTILINE)
}
"""The targets of make, each with those that it begins with."""

_UNTIL_CTRL_C = "goes on until Ctrl-C: "
_AS_SAM_TAKES_IT = "sam has to take its options (tests/unit/test_documented_commands.py); "
_IN_CONTAINERS = f"{_AS_SAM_TAKES_IT}`make check-sam-local` does it, where there is a container engine"
_BUILD = "PIP_FIND_LINKS=$PWD/../../dist sam build"

ELSEWHERE: Mapping[str, str] = {
    "make package && source .venv/bin/activate": "`make build` begins with it; the PATH has the programs of .venv",
    "source .venv/bin/activate": "the PATH has the programs of .venv",
    "sam deploy --config-env prod --parameter-overrides FlyOrganization=my-org": f"{_AS_SAM_TAKES_IT}"
    "the stage of tests/unit/test_first_run.py is deployed with these parameters",
    "prestage setup --github-organization my-org": "tests/unit/test_first_run.py has the one with more options",
    "prestage rotate webhook-secret": "takes five minutes: tests/unit/test_rotation.py",
    "prestage events tail --app storefront": f"{_UNTIL_CTRL_C}tests/unit/test_cli_events_tail.py",
    "prestage events tail --name EnvironmentReady": f"{_UNTIL_CTRL_C}tests/unit/test_cli_events_tail.py",
    "sam package --resolve-s3 --output-template-file /dev/null": f"{_AS_SAM_TAKES_IT}"
    "what sam asks of S3 is in tests/fidelity/test_deploy_role.py",
    "make sam-local": f"{_UNTIL_CTRL_C}`make check-sam-local` starts the same; tests/unit/test_sam_local.py",
    "sam local invoke IngressFunction --template .aws-sam/local/template.json "
    "-e events/ingress/pull_request-opened.json": _IN_CONTAINERS,
    "sam local invoke IngressFunction --template .aws-sam/local/template.json "
    "-e events/ingress/bad-signature.json": _IN_CONTAINERS,
    "sam local start-api --template .aws-sam/local/template.json": _IN_CONTAINERS,
    "make check-sam-local": "needs a container engine; what it says without one: tests/unit/test_sam_local.py",
    "make simulate SEEDS=2000": "tests/simulation/test_simulation.py does five hundred",
    "make simulate SEED=17": "tests/simulation/test_simulation.py does that one among others",
    "make simulate SEED=5483": "tests/simulation/test_simulation.py does others",
    "make simulate-mutants": "tests/simulation/test_simulation.py does those that are found soon",
    _BUILD: "asks the package index: tests/fidelity/test_built_example.py, in `make build`",
    f"{_BUILD} --template cross-account.yaml": f"{_AS_SAM_TAKES_IT}"
    "the same code is built by tests/fidelity/test_built_example.py, and `make lint` validates the template",
    "sam deploy --guided": f"{_AS_SAM_TAKES_IT}it asks; the stack is deployed by tests/unit/test_subscriber.py",
}
"""Why, and which test or step of CI sees to it, by command. Targets of make that .ci/run makes are not named here."""


@cache
def made_in_ci() -> set[str]:
    """The targets of make that CI makes, also because another begins with them."""
    found: set[str] = set()
    left = [word for call in re.findall(r"\bmake ([a-z -]+)", _CI) for word in call.split()]
    while left:
        target = left.pop()
        if target in TARGETS and target not in found:
            found.add(target)
            left += TARGETS[target]
    return found


def is_made_in_ci(command: str) -> bool:
    """Whether it makes what CI makes: with ARGS, a part of it."""
    if not command.startswith("make ") or "&" in command:
        return False
    targets = {word for word in typed_words(command, "make") or () if "=" not in word}
    return targets <= made_in_ci()


@cache
def elsewhere() -> set[str]:
    """All commands that are not typed on the stage."""
    return {one for page in pages() for one in commands_of(page) if one in ELSEWHERE or is_made_in_ci(one)}
