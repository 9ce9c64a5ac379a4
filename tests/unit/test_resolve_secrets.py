"""Which secrets an environment's generation gets, and what is said of them."""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from pydantic import SecretStr

from choreography.reaction import BrokenError, RefusedError, RetryLaterError
from prestage.certificate_files import read_certificate
from prestage_contracts.envelope import Reason
from prestage_contracts.vault import BundleReference, SecretsFailed, SecretsResolved, SecretsResolvedData
from records.certificates import Certificates
from records.environments import Environment, Environments
from sealing.bundles import Bundles, TlsCertificate
from sealing.seal import DataKeys
from tests.unit.dynamodb import Local
from tests.unit.fly_certificate import EXPIRES, issue
from tests.unit.record_examples import NOW, app
from tests.unit.steps import begin, close, created, forged, logged, register, updated
from vault.private_keys import PrivateKeys
from vault.resolve_secrets import ResolveSecrets, failed, logger
from vault.secrets import Secrets
from vault.tls_certificates import TlsCertificates

SHOP, API = app("storefront"), app("api")
VALUES = {"DATABASE_URL": "planted-database", "A_KEY": "planted-key\n"}


@dataclass
class World:
    local: Local
    key_arn: str
    step: ResolveSecrets = field(init=False)
    private_keys: PrivateKeys = field(init=False)

    def __post_init__(self) -> None:
        keys = DataKeys(self.local.kms, self.key_arn)
        table = self.local.table
        self.private_keys = PrivateKeys(table, keys)
        self.step = ResolveSecrets(
            Environments(table),
            Secrets(table, keys, lambda: NOW),
            Bundles(table, keys, lambda: NOW),
            TlsCertificates(Certificates(table), self.private_keys, lambda: NOW),
        )

    def set(self, **values: str) -> None:
        for name, value in values.items():
            self.step.secrets.set(SHOP.id, "preview", name, value)

    def begin(self, intent: int = 1, *, with_secrets: bool = True) -> Environment:
        begun = begin(self.local.table, intent, of=SHOP, with_secrets=with_secrets)
        self.local.calls.clear()
        return begun

    def resolve(self, environment: Environment) -> SecretsResolvedData:
        [fact] = self.step(created(environment))
        assert fact.event is SecretsResolved
        assert isinstance(fact.data, SecretsResolvedData)
        return fact.data

    def tamper(self, name: str) -> None:
        place = (f"APP#{SHOP.id}", f"preview#SECRET#{name}")
        item = self.local.item(*place)
        self.local.table.put({**item, "sealed": item["sealed"][:-1] + b"!"})

    def bundles(self) -> list[str]:
        return [item["sk"]["S"] for item in self.local.items() if item["sk"]["S"].startswith("BUNDLE#")]


@pytest.fixture
def world(local: Local) -> World:
    register(local.table, SHOP, API)
    return World(local, local.kms.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    with logged(logger) as stream:
        yield stream


def test_the_secrets_of_the_app_and_type_are_sealed_for_the_generation(world: World) -> None:
    world.set(**VALUES)
    world.step.secrets.set(SHOP.id, "production", "A_KEY", "planted-production")
    world.step.secrets.set(API.id, "preview", "OTHER", "planted-other")
    environment = world.begin()
    told = world.resolve(environment)
    assert told.names == ("A_KEY", "DATABASE_URL")
    assert told.bundle == BundleReference(environment_id=environment.id, generation=1)
    assert told.environment == environment.snapshot()
    assert world.step.bundles.open(environment.id, 1) == VALUES


def test_the_next_generation_of_a_live_environment_gets_the_secrets_as_they_are_by_then(world: World) -> None:
    world.set(**VALUES)
    world.resolve(world.begin())
    world.set(A_KEY="planted-new")
    environment = world.begin(2)
    [fact] = world.step(updated(environment))
    assert fact.event is SecretsResolved
    assert fact.data.model_dump()["bundle"] == {"environment_id": environment.id, "generation": 2}
    assert world.step.bundles.open(environment.id, 2) == {**VALUES, "A_KEY": "planted-new"}


def test_resolving_costs_one_decrypt_and_one_new_key(world: World) -> None:
    world.set(**VALUES)
    world.resolve(world.begin())
    assert [call for call in world.local.calls if call in {"Decrypt", "GenerateDataKey"}] == [
        "Decrypt",
        "GenerateDataKey",
    ]


def test_no_secrets_are_resolved_too(world: World) -> None:
    environment = world.begin()
    assert world.resolve(environment).names == ()
    assert world.step.bundles.open(environment.id, 1) == {}


def test_what_is_not_trusted_gets_none_and_none_is_read(world: World) -> None:
    world.set(**VALUES)
    environment = world.begin(with_secrets=False)
    assert world.resolve(environment).names == ()
    assert world.step.bundles.open(environment.id, 1) == {}
    assert world.local.calls.count("Decrypt") == 1  # the bundle's, just now
    assert world.local.contexts[-1][1] == {"environment_id": environment.id, "generation": "1"}


def test_trust_is_what_the_record_says_of_this_generation(world: World) -> None:
    world.set(**VALUES)
    trusted = world.begin()
    untrusted = world.begin(2, with_secrets=False)
    assert world.resolve(untrusted).names == ()
    assert world.step(created(trusted)) == []


@pytest.mark.parametrize("trouble", ["superseded", "not begun", "closed", "unknown"])
def test_nothing_is_resolved_for_what_is_not_live(world: World, trouble: str) -> None:
    world.set(**VALUES)
    environment = world.begin()
    match trouble:
        case "superseded":
            world.begin(2)
        case "not begun":
            environment = environment.model_copy(update={"generation": 2})
        case "closed":
            close(world.local.table, environment)
        case _:
            environment = environment.model_copy(update={"id": API.id})
    world.local.calls.clear()
    assert world.step(created(environment)) == []
    assert world.local.calls == ["GetItem"]
    assert world.bundles() == []


def test_an_event_is_believed_in_nothing_but_id_and_generation(world: World) -> None:
    world.set(**VALUES)
    world.step.secrets.set(SHOP.id, "production", "PRODUCTION_KEY", "planted-production")
    environment = world.begin()
    [fact] = world.step(created(forged(environment)))
    assert fact.data.model_dump()["names"] == ("A_KEY", "DATABASE_URL")
    assert fact.data.model_dump()["environment"] == environment.snapshot().model_dump()


def test_the_same_event_again_states_the_same(world: World) -> None:
    world.set(**VALUES)
    environment = world.begin()
    assert world.resolve(environment) == world.resolve(environment)
    assert world.bundles() == ["BUNDLE#1"]


def test_the_bundle_of_an_older_generation_goes(world: World) -> None:
    world.resolve(world.begin())
    world.resolve(world.begin(2))
    assert world.bundles() == ["BUNDLE#2"]


def test_a_secret_that_cant_be_decrypted_is_refused_by_its_name(world: World, log: io.StringIO) -> None:
    world.set(**VALUES)
    world.tamper("A_KEY")
    with pytest.raises(RefusedError) as raised:
        world.step(created(world.begin()))
    reason = raised.value.reason
    assert reason.code == "secret_unreadable"
    assert "A_KEY" in reason.message
    assert "DATABASE_URL" not in reason.message
    assert world.bundles() == []
    assert "planted" not in f"{raised.value!r} {reason} {log.getvalue()}"


def test_a_key_that_kms_refuses_is_for_an_operator_to_mend_and_no_refusal(world: World) -> None:
    def disabled() -> None:
        raise ClientError({"Error": {"Code": "DisabledException", "Message": "planted"}}, "Decrypt")

    world.set(**VALUES)
    environment = world.begin()
    world.local.before("Decrypt", disabled)
    with pytest.raises(BrokenError, match="KMS key is enabled") as raised:
        world.step(created(environment))
    assert raised.value.reason.code == "key_refused"


def test_kms_being_away_is_no_refusal(world: World) -> None:
    def away() -> None:
        raise EndpointConnectionError(endpoint_url="https://kms")

    world.set(**VALUES)
    environment = world.begin()
    world.local.before("Decrypt", away)
    with pytest.raises(EndpointConnectionError):
        world.step(created(environment))
    assert world.resolve(environment).names == ("A_KEY", "DATABASE_URL")


def test_neither_the_facts_nor_the_log_have_a_value(world: World, log: io.StringIO) -> None:
    world.set(**VALUES)
    told = world.resolve(world.begin())
    assert "resolved" in log.getvalue()
    assert "planted" not in told.model_dump_json() + log.getvalue()


def test_what_is_refused_or_given_up_names_the_environment_and_the_reason(world: World) -> None:
    environment = world.begin()
    fact = failed(created(environment), Reason(code="secret_unreadable", message="Can't decrypt A_KEY"))
    assert fact.event is SecretsFailed
    assert fact.data.subject == f"{environment.id}@1:secret_unreadable"


# ---- A certificate, where the host name is of the application's owner

HOST = "prestage-3.previews.example.com"


def named(world: World, intent: int = 1) -> Environment:
    return begin(world.local.table, intent, of=SHOP, address=f"https://{HOST}", own_host=HOST)


def import_certificate(world: World, domain: str = "previews.example.com", **issued: Any) -> tuple[str, str]:
    chain, key = issue(f"*.{domain}", **issued)
    certificate = read_certificate(domain, chain.encode(), key.encode(), NOW)
    world.private_keys.keep(certificate, SecretStr(key))
    Certificates(world.local.table).keep(certificate)
    world.private_keys.forget_others(certificate)
    return chain, key


def refused(world: World, environment: Environment) -> str:
    with pytest.raises(RefusedError) as raised:
        world.step(created(environment))
    assert world.bundles() == []
    return f"{raised.value.reason.code}: {raised.value.reason.message}"


def test_the_certificate_for_the_host_name_is_in_the_bundle_and_among_no_names(world: World, log: io.StringIO) -> None:
    chain, key = import_certificate(world)
    world.set(**VALUES)
    environment = named(world)
    told = world.resolve(environment)
    assert told.names == ("A_KEY", "DATABASE_URL")
    found = world.step.bundles.open_certificate(environment.id, 1)
    assert found == TlsCertificate(chain, SecretStr(key), EXPIRES)
    assert world.step.bundles.open(environment.id, 1) == VALUES
    secret = key.splitlines()[1]
    assert secret not in f"{told!r} {told.model_dump_json()} {log.getvalue()} {found!r}"
    assert not any(secret.encode() in json.dumps(item, default=repr).encode() for item in world.local.items())


def test_an_address_of_fly_s_needs_no_certificate(world: World) -> None:
    import_certificate(world)
    environment = world.begin()
    world.resolve(environment)
    assert world.step.bundles.open_certificate(environment.id, 1) is None


def test_a_certificate_of_the_app_is_no_secret_of_what_runs_there(world: World) -> None:
    """A fork's preview is served under the domain too; the key goes to Fly's proxy, and not into the machine."""
    import_certificate(world)
    environment = begin(world.local.table, of=SHOP, own_host=HOST, with_secrets=False)
    assert world.resolve(environment).names == ()
    assert world.step.bundles.open_certificate(environment.id, 1) is not None


def test_a_renewed_certificate_is_in_the_next_generation_s_bundle(world: World) -> None:
    import_certificate(world, expires=NOW + timedelta(days=20))
    world.resolve(named(world))
    chain, _ = import_certificate(world)
    environment = named(world, 2)
    world.resolve(environment)
    found = world.step.bundles.open_certificate(environment.id, 2)
    assert found is not None
    assert found.chain == chain
    assert [item["sk"]["S"][:4] for item in world.local.items() if item["pk"]["S"].startswith("CERT")].count(
        "KEY#"
    ) == 1


def test_without_a_certificate_the_generation_is_refused(world: World) -> None:
    import_certificate(world, "example.com")
    assert refused(world, named(world)).startswith(f"certificate_missing: No certificate covers {HOST}")


def test_an_expired_certificate_is_refused(world: World) -> None:
    chain, key = issue("*.previews.example.com", expires=NOW - timedelta(days=1))
    certificate = read_certificate("previews.example.com", chain.encode(), key.encode(), NOW - timedelta(days=2))
    Certificates(world.local.table).keep(certificate)
    assert refused(world, named(world)).startswith(
        "certificate_expired: The certificate of previews.example.com expired"
    )


def test_a_key_that_was_changed_is_refused_and_not_quoted(world: World) -> None:
    _, key = import_certificate(world)
    [place] = [item for item in world.local.items() if item["sk"]["S"].startswith("KEY#")]
    item = world.local.item(place["pk"]["S"], place["sk"]["S"])
    world.local.table.put({**item, "sealed": item["sealed"][:-1] + b"!"})
    told = refused(world, named(world))
    assert told.startswith("certificate_unreadable")
    assert key.splitlines()[1] not in told


def test_a_key_of_another_domain_does_not_open_in_its_place(world: World) -> None:
    import_certificate(world, "example.org")
    import_certificate(world)
    certificates = Certificates(world.local.table)
    mine, other = certificates.get("previews.example.com"), certificates.get("example.org")
    assert mine is not None
    assert other is not None
    item = world.local.item("CERTIFICATE#example.org", f"KEY#{other.fingerprint}")
    moved = {"pk": "CERTIFICATE#previews.example.com", "sk": f"KEY#{mine.fingerprint}"}
    world.local.table.put({**item, **moved})
    assert refused(world, named(world)).startswith("certificate_unreadable")


def test_a_certificate_that_is_being_replaced_is_waited_for(world: World) -> None:
    import_certificate(world)
    found = Certificates(world.local.table).get("previews.example.com")
    assert found is not None
    world.private_keys.forget_others(found.model_copy(update={"fingerprint": "0" * 64}))
    with pytest.raises(RetryLaterError):
        world.step(created(named(world)))


def test_kms_refusing_the_key_s_data_key_is_for_an_operator_to_mend(world: World) -> None:
    def disabled() -> None:
        raise ClientError({"Error": {"Code": "DisabledException", "Message": "planted"}}, "Decrypt")

    import_certificate(world)
    environment = named(world)
    world.local.before("Decrypt", disabled)
    with pytest.raises(BrokenError) as raised:
        world.step(created(environment))
    assert raised.value.reason.code == "key_refused"


def test_the_private_key_is_sealed_under_the_domain_alone(world: World) -> None:
    """As the role in the template allows it, and no other."""
    import_certificate(world)
    world.local.contexts.clear()
    world.resolve(named(world))
    assert ("Decrypt", {"certificate": "previews.example.com"}) in world.local.contexts
