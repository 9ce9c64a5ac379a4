"""`prestage doctor`: each fault that is planted is found, with what to do; on a stack that is well nothing is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pytest

from prestage.doctor.findings import KINDS
from prestage.stage.fly import FlyStandIn
from prestage_contracts.snapshot import Repository
from tests.unit.cli_stage import OWNER, SHOP, Deployed, shell_at
from tests.unit.doctor_faults import INSIDE
from tests.unit.doctor_faults_outside import OUTSIDE
from tests.unit.doctor_patient import FLY_TOKEN, OTHER_SECRET, WEBHOOK_SECRET, Door, Patient, patient_stack
from tests.unit.doctor_plants import certificate, mapped
from tests.unit.record_examples import app
from tests.unit.test_cli_changes import commands

DOCS = Path(__file__).parents[2] / "docs" / "doctor.md"
CHECKS = 25
FAULTS = {**INSIDE, **OUTSIDE}
HIDING = (
    "resource-missing",
    "secret-malformed",
    "secret-deleted",
    "bus-missing",
    "github-key-refused",
    "app-suspended",
)
"""What keeps others from being seen."""

OF_THE_SAME = {"rotation": "secret", "target": "rule"}
"""Kinds of faults that are planted in one place."""

type Parts = tuple[Deployed, FlyStandIn, Door, tuple[Repository, int]]
"""What one stack is made of, and the repository that its app is of, with the App's installation there."""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    with patient_stack(tmp_path_factory.mktemp("patient")) as (at, fly, door):
        yield at, fly, door, at.stack.look_up(SHOP)


@pytest.fixture
def patient(parts: Parts, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Patient]:
    at, fly, door, (repository, installation_id) = parts
    with shell_at(at, monkeypatch, capsys) as shell:
        at.stack.apps.add(app("storefront", repository=repository, installation_id=installation_id, owner=OWNER))
        at.stack.certificates.keep(certificate(timedelta(days=90)))
        yield Patient(at, fly, door, shell)


def rounds() -> list[tuple[str, ...]]:
    """Every kind of fault, as many at once as leave each other to be seen: each look at the stack costs a second."""
    groups: dict[str, list[str]] = {}
    for kind in FAULTS:
        first = kind.partition("-")[0]
        groups.setdefault(kind if kind in HIDING else OF_THE_SAME.get(first, first), []).append(kind)
    apart = [(kind,) for kind in HIDING]
    together = zip_longest(*(kinds for kinds in groups.values() if kinds[0] not in HIDING))
    return apart + [tuple(kind for kind in kinds if kind) for kinds in together]


@pytest.mark.parametrize("kinds", rounds(), ids=lambda kinds: kinds[0])
def test_each_fault_is_found_and_nothing_else_and_what_to_do_is_said(kinds: tuple[str, ...], patient: Patient) -> None:
    # That each is mended afterwards, the next round shows, which has its own alone, and the stack that is well at last.
    with ExitStack() as planted:
        for kind in kinds:
            planted.enter_context(FAULTS[kind].plant(patient))
        found = patient.diagnose()
    assert sorted(one["kind"] for one in found.findings) == sorted(kinds)
    for one in found.findings:
        assert FAULTS[one["kind"]].what in one["what"]
        assert FAULTS[one["kind"]].do in one["do"]
    assert found.status == 1


def test_every_kind_of_finding_is_planted_once() -> None:
    assert sorted(kind for kinds in rounds() for kind in kinds) == sorted(KINDS)


def test_nothing_is_found_on_a_stack_that_is_well_after_all_that(patient: Patient) -> None:
    ran = patient.shell.run("doctor")
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.endswith(f"\nnothing found in {CHECKS} checks\n")
    assert [line.split()[0] for line in ran.out.splitlines()[:CHECKS]] == ["ok"] * CHECKS


def test_several_faults_are_told_each_with_what_to_do(patient: Patient) -> None:
    with ExitStack() as planted:
        for kind in ("rule-disabled", "mapping-disabled", "webhook-unsigned"):
            planted.enter_context(FAULTS[kind].plant(patient))
        ran = patient.shell.run("doctor")
    told = [line.split(maxsplit=1) for line in ran.out.splitlines() if line and not line.startswith("ok")]
    assert ran.status == 1
    assert [mark for mark, _ in told] == ["found", "→"] * 3 + ["3"]
    assert told[1][1].startswith("aws events enable-rule")
    assert ran.out.endswith(f"\n3 findings in {CHECKS} checks\n")


def test_what_one_may_not_look_at_is_told_with_the_right_that_is_missing_and_the_rest_is_looked_at(
    patient: Patient,
) -> None:
    message = "User: arn:aws:sts::1:user/eve is not authorized to perform: events:DescribeRule on resource: x"
    with patient.refusing("eventbridge.DescribeRule", "AccessDeniedException", message=message):
        found = patient.diagnose()
    right = "you may not events:DescribeRule: ask for that right"
    assert (found.status, found.findings) == (1, [])
    assert found.unmade == {"rules": right, "schedules": right}


def test_a_secret_that_one_may_not_read_leaves_what_needs_it_unlooked_at(patient: Patient) -> None:
    with patient.refusing("secrets-manager.GetSecretValue", "AccessDeniedException"):
        found = patient.diagnose()
    secrets = {"webhook secret", "GitHub App's secret", "Fly.io token", "stack key"}
    assert found.findings == []
    assert {*found.unmade} == secrets | {"GitHub App", "webhook", "webhook deliveries", "installations", "Fly.io"}


def test_a_github_that_is_down_is_told_and_no_finding(patient: Patient) -> None:
    patient.at.github.fail(times=20, status=503)
    found = patient.diagnose()
    patient.at.github.mend()
    assert found.findings == []
    assert {*found.unmade} == {"GitHub App", "webhook", "webhook deliveries", "installations"}
    assert all(why.startswith("GitHub does not tell: ") for why in found.unmade.values())


def test_a_credential_that_is_not_taken_is_one_finding_and_not_five(patient: Patient) -> None:
    with FAULTS["github-key-refused"].plant(patient):
        found = patient.diagnose()
    assert len(found.findings) == 1
    assert {*found.unmade} == {"webhook", "webhook deliveries", "installations"}


def test_a_webhook_that_was_taken_when_it_came_again_is_no_finding(patient: Patient) -> None:
    with FAULTS["deliveries-unreached"].plant(patient):
        pass
    assert patient.diagnose().findings == []


def test_a_mapping_that_was_made_in_place_of_cloudformations_is_no_finding(patient: Patient) -> None:
    gone = patient.refusing("lambda.GetEventSourceMapping", "ResourceNotFoundException")
    with gone, mapped("RuntimesFunction", UUID="of-somebodys-own")(patient):
        assert patient.diagnose().findings == []


def test_three_values_of_the_webhook_secret_are_not_told(patient: Patient) -> None:
    values = "\n".join([OTHER_SECRET] * 3)
    with patient.secret("WebhookSecretArn", values, WEBHOOK_SECRET):
        [found] = patient.diagnose().findings
    assert (found["kind"], "3 lines" in found["what"]) == ("secret-malformed", True)


def test_a_key_of_the_stack_that_is_empty_is_nothing_that_setup_gives(patient: Patient) -> None:
    arn = patient.at.outputs["StackKeyArn"]
    with patient.refusing("secrets-manager.GetSecretValue", "ResourceNotFoundException", arn):
        found = next(one for one in patient.diagnose().findings if "the stack's key" in one["what"])
    assert (found["kind"], "setup" in found["do"]) == ("secret-malformed", False)


def test_a_token_that_is_nothing_but_its_scheme_is_told_as_refused(patient: Patient) -> None:
    with patient.secret("FlySecretArn", "FlyV1 FlyV1", FLY_TOKEN):
        assert [one["kind"] for one in patient.diagnose().findings] == ["fly-token-refused"]


def test_a_stack_that_is_being_deployed_is_a_note(patient: Patient) -> None:
    def deploying(told: Any) -> None:
        told["Stacks"][0]["StackStatus"] = "UPDATE_IN_PROGRESS"

    with patient.answering("cloudformation.DescribeStacks", deploying):
        found = patient.diagnose()
    assert (found.status, found.findings) == (0, [])
    assert "UPDATE_IN_PROGRESS" in found.checks[0]["notes"][0]


def test_nothing_is_changed_by_looking(patient: Patient) -> None:
    asked: set[str] = set()

    def note(model: Any, **_: Any) -> None:
        asked.add(model.name)

    patient.at.session.events.register("before-call", note)
    requests = len(patient.at.github.requests)
    patient.diagnose()
    patient.at.session.events.unregister("before-call", note)
    assert {name for name in asked if not name.startswith(("Describe", "Get", "List", "Scan"))} == set()
    changes = [one for one in patient.at.github.requests[requests:] if one.method != "GET"]
    assert {one.path.rpartition("/")[2] for one in changes} == {"access_tokens"}


def test_a_stack_that_is_not_there_is_told_in_one_line(patient: Patient) -> None:
    patient.shell.run("doctor", "--stack", "nothing").refused("there is no stack nothing")


def test_neither_moto_nor_sam_is_loaded_for_it() -> None:
    code = (
        "import sys, prestage.cli; print([name for name in ('moto', 'samtranslator', 'flask') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    path = {"PYTHONPATH": f"{root}:{root / 'services'}"}
    ran = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_every_command_of_prestage_that_is_advised_is_one() -> None:
    known = {*commands()}
    advised = {found for told in KINDS.values() for found in re.findall(r"prestage ([a-z]\S* [a-z]\S*)", told.do)}
    assert advised
    assert advised <= known


def test_the_page_has_a_line_for_each_kind_of_finding() -> None:
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{kind}` | {told.what} | {told.do} |" for kind, told in KINDS.items()]
