"""Known values are planted; then they are looked for wherever they do not belong."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from prestage.stage.fly_machines import Machine
from tests.chain.world import FOR_A_WHILE, Place, World

QUEUES = [
    f"{reaction}{kind}QueueUrl"
    for reaction in ("Environments", "Vault", "Comments", "Deployments", "Runtimes", "Journal")
    for kind in ("", "DeadLetter", "DeliveryDeadLetter")
]
VALUES = {
    "API_KEY": "planted-value-of-the-api-key",
    "PEM": "-----BEGIN PRIVATE KEY-----\nplantedplantedplanted\n-----END PRIVATE KEY-----\n",
    "QUOTED": "planted \"quoted\" 'value' = with\ttabs and ünïcode",
}


def spellings(value: str) -> set[str]:
    """A value as it may stand in a text: as it is, in JSON, or a line of it."""
    lines = [line for line in value.splitlines() if len(line) > 8]
    return {spelled for part in (value, *lines) for spelled in (part, json.dumps(part)[1:-1], repr(part)[1:-1])}


def everywhere_outside(world: World) -> Mapping[str, str]:
    """Every event, log line, message and item, as text."""
    names = ("RecordsTable", "MemoryTable", "SecretsTable", "BundlesTable", "JournalTable")
    tables = {name: world.stage.deployment.outputs[name] for name in names}
    client = world.stage.aws.client("dynamodb")
    found = {f"table {name}": str(client.scan(TableName=table)["Items"]) for name, table in tables.items()}
    found |= {f"queue {name}": json.dumps(world.messages(name), default=str) for name in QUEUES}
    found["events"] = json.dumps(world.stage.bus.events, ensure_ascii=False)
    found["logs"] = "\n".join(line for _, line in list(world.logged))
    found["webhook's answers"] = "\n".join(delivery.answer for delivery in world.stage.github.deliveries)
    return found


def processes(machine: Machine) -> Iterator[tuple[Path, str]]:
    """The environments and command lines of all processes of a machine."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_text(errors="replace")
            if f"FLY_MACHINE_ID={machine.id}" in environment:
                yield process, environment + (process / "cmdline").read_text(errors="replace")
        except OSError:
            continue


def change_a_secret(world: World, place: Place) -> None:
    table, client = world.stage.deployment.outputs["SecretsTable"], world.stage.aws.client("dynamodb")
    key = {"pk": {"S": f"APP#{place.apps[0].id}"}, "sk": {"S": "preview#SECRET#API_KEY"}}
    item = client.get_item(TableName=table, Key=key)["Item"]
    client.put_item(TableName=table, Item={**item, "sealed": {"B": item["sealed"]["B"][:-1] + b"?"}})


@pytest.fixture(scope="module")
def ran(whole_world: World) -> Place:
    """A full run with secrets, one that Fly refuses, one that GitHub refuses, and one whose secret was changed."""
    places = [whole_world.place("storefront") for _ in range(4)]
    for place in places:
        for name, value in VALUES.items():
            place.stage.stack.secrets.set(place.apps[0].id, "preview", name, value)
    change_a_secret(whole_world, places[1])
    whole_world.stage.fly.fail(1, status=422, match=r"^POST .*/secrets$")
    whole_world.stage.github.fail(1, status=403, match=r"^POST .*/comments$")
    for place in reversed(places):
        place.run()
    whole_world.stage.settle_through(FOR_A_WHILE)
    return places[0]


def secrets_of_the_stack(world: World) -> Mapping[str, str]:
    client, outputs = world.stage.aws.client("secretsmanager"), world.stage.deployment.outputs
    names = ("WebhookSecretArn", "FlySecretArn", "StackKeyArn")
    found = {name: client.get_secret_value(SecretId=outputs[name])["SecretString"] for name in names}
    found |= {f"installation token {n}": token for n, token in enumerate(world.stage.github.tokens_issued)}
    return {**found, "the App's private key": world.stage.private_key}


def test_no_value_token_or_key_is_where_it_does_not_belong(world: World, ran: Place) -> None:
    assert ran.names().count("RuntimeRequested") == 1
    [unreadable] = [fact for fact in world.stage.bus.events if fact["detail-type"] == "SecretsFailed"][-1:]
    assert "API_KEY" in unreadable["detail"]["data"]["reason"]["message"]
    planted = {**VALUES, **secrets_of_the_stack(world)}
    assert len(planted) > len(VALUES) + 4
    leaks = [
        (what, where)
        for where, text in everywhere_outside(world).items()
        for what, value in planted.items()
        if any(spelled in text for spelled in spellings(value))
    ]
    assert leaks == []


def test_the_search_would_find_what_it_looks_for(ran: Place) -> None:
    """The values did arrive, and a leak would be seen."""
    given = ran.stage.fly.process_environment(ran.machine_id())
    assert {name: given[name] for name in VALUES} == VALUES
    assert any(spelled in json.dumps({"PEM": VALUES["PEM"]}) for spelled in spellings(VALUES["PEM"]))


def test_a_machine_has_the_apps_own_secrets_and_no_other(world: World, ran: Place) -> None:
    assert ran.page().status_code == 200
    machine = ran.stage.fly.machine(ran.machine_id())
    texts = [text for _, text in processes(machine)]
    assert texts
    texts += [path.read_text(errors="replace") for path in machine.disk.rglob("*") if path.is_file()]
    texts += [json.dumps(machine.describe()), ran.stage.fly.log(machine.id)]
    for what, value in secrets_of_the_stack(world).items():
        assert not any(spelled in text for text in texts for spelled in spellings(value)), what
    assert not any(re.search(r"gh[sp]_[A-Za-z0-9_.-]{36}", text) for text in texts)


def test_the_application_never_sees_the_capability(ran: Place) -> None:
    assert ran.page().status_code == 200
    machine = ran.stage.fly.machine(ran.machine_id())
    capability = machine.describe()["config"]["env"]["PRESTAGE_SOURCE_URL"].rpartition("/")[2]
    assert len(capability) > 30
    assert not any(capability in text for _, text in processes(machine))
    assert not any(capability in line for _, line in list(ran.world.logged))
