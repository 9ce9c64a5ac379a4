"""One history, decided by its seed alone: who acts when, what goes wrong, and which message is delivered next."""

import hashlib
import hmac
import io
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

from tests.simulation.actors import Actors
from tests.simulation.calls import Call
from tests.simulation.clock import SimulatedClock
from tests.simulation.events import Bus
from tests.simulation.faults import FAULTS, CrashError, pick
from tests.simulation.fly_world import FlyWorld
from tests.simulation.functions import PREFIX, WEBHOOK_SECRET, Functions, Outside, Tables, begin, fly_app, longest
from tests.simulation.github_answers import GitHubAnswers
from tests.simulation.github_world import Delivery, GitHubWorld
from tests.simulation.memory_keys import MemoryKeys
from tests.simulation.memory_table import MemoryTable
from tests.simulation.queues import Kept, Queues
from tests.simulation.topology import topology

STEPS = 55
"""Of a history, before everybody rests."""

MOST_ROUNDS = 4000
"""Of what is done until nothing is left to do: more are a message that goes round for ever."""

DEPTH = 2
"""How many deliveries may begin while another one goes on, one within the other."""

FAULT_CHANCE, INTERLEAVING_CHANCE, SLOW_CHANCE = 0.03, 0.05, 0.01

_INGRESS_TIMEOUT = timedelta(seconds=14)
_SWEEP_TIMEOUT = timedelta(minutes=15)


class NeverQuietError(AssertionError):
    """Something goes round for ever."""


@dataclass
class Run:
    """An invocation that goes on, until `until` at most."""

    name: str
    until: datetime
    dead: bool = False


class _Context:
    aws_request_id = function_name = invoked_function_arn = "simulated"
    memory_limit_in_mb = 512

    def __init__(self, clock: SimulatedClock, until: datetime) -> None:
        self._clock = clock
        self._until = until

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._until - self._clock()).total_seconds() * 1000))


@contextmanager
def _in_silence() -> Iterator[None]:
    """Nothing is logged, which takes time, and metrics, which go to standard output, don't get there."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


def memory_tables() -> Tables:
    """Tables in memory, empty."""
    return Tables(MemoryTable(), MemoryTable(), MemoryTable(), MemoryTable(), MemoryTable())


class Simulation:
    """The world of one seed.

    Args:
        seed: decides everything.
        tables: where AWS keeps what it is given, in memory where left out.
        change: is given what is outside and gives what functions are to see of it: what a mutation changes.
        build: begins the functions' processes.
    """

    def __init__(
        self,
        seed: int,
        *,
        tables: Tables | None = None,
        change: Callable[[Outside], Outside] = lambda outside: outside,
        build: Callable[[Outside], Functions] = begin,
    ) -> None:
        self.seed = seed
        self.random = Random(seed)  # noqa: S311  # it is to be repeated
        self.clock = SimulatedClock()
        self.github = GitHubWorld(self.clock)
        self.fly = FlyWorld(self.clock, self.random)
        self.queues = Queues(topology().queues, self.clock, self.between)
        self.bus = Bus(self.queues, self.clock, self.between, made=self._made)
        self.tables = tables or memory_tables()
        self.outside = change(
            Outside(
                tables=self.tables,
                keys=MemoryKeys(),
                bus=self.bus,
                queues=self.queues,
                github=GitHubAnswers(self.github),
                fly=self.fly,
                clock=self.clock,
                between=self.between,
            )
        )
        self._build = build
        self.covered: Counter[str] = Counter()
        self.trace: list[str] = []
        self._runs: list[Run] = []
        self._troubled = False
        self.functions = build(self.outside)
        self.actors = Actors(self)

    # ---- The history

    def run(self) -> None:
        """Live the history, and rest.

        Raises:
            NeverQuietError: it does not come to rest.
        """
        with _in_silence():
            self.actors.begin()
            self._troubled = True
            for _ in range(STEPS):
                self._step()
            self._troubled = False
            self._settle()
            self.actors.rest()
            self._rest()

    def _made(self, environment_id: str) -> datetime | None:
        found = self.fly.apps.get(fly_app(environment_id))
        return found.made if found else None

    def note(self, text: str) -> None:
        """Write a line of the trace."""
        self.trace.append(f"{self.clock():%d %H:%M:%S} {'  ' * len(self._runs)}{text}")

    def _step(self) -> None:
        chosen = self.random.random()
        if chosen < 0.45:
            self._work()
        elif chosen < 0.62:
            self._deliver_webhook()
        elif chosen < 0.80:
            self.actors.act()
        elif chosen < 0.94:
            self._let_time_pass()
        elif chosen < 0.96:
            self._sweep()
        else:
            self._meddle()

    def _rest(self) -> None:
        """Everybody rests: what is begun comes to its end, and the janitor looks, twice."""
        for _ in range(3):
            self._settle()
            redriven = [self.queues.redrive(message) for message in self.queues.dead_letters()]
            self.covered["redriven"] += len(redriven)
            self._settle()
            self.clock.advance(timedelta(hours=25))
            self._sweep()
        self._settle()

    def _settle(self) -> None:
        for _ in range(MOST_ROUNDS):
            if self.github.outbox:
                self._deliver_webhook()
            elif not self._work():
                then = self.queues.next_visible()
                if then is None:
                    return
                self.clock.advance(max(then - self.clock(), timedelta(milliseconds=1)))
        raise NeverQuietError(f"not at rest after {MOST_ROUNDS} rounds")

    def _let_time_pass(self) -> None:
        then = self.queues.next_visible()
        if then is not None and self.random.random() < 0.6:
            self.clock.advance(max(then - self.clock(), timedelta(0)))
        else:
            self.clock.advance(timedelta(seconds=self.random.choice((0, 0.3, 1, 2, 15, 90, 600, 4000))))

    def _meddle(self) -> None:
        """What befalls messages and machines without anybody's doing."""
        waiting, running = self.queues.waiting(), self.fly.running()
        chosen = self.random.random()
        if chosen < 0.5 and waiting:
            message = self.random.choice(waiting)
            self.note(f"a copy of {message.id}")
            self.covered["duplicates"] += 1
            self.queues.copy(message)
        elif running:
            app, machine = self.random.choice(running)
            if chosen < 0.85:
                self.note(f"the proxy stops the machine of {app.name[:12]}")
                self.fly.stop(machine)
            elif chosen < 0.97:
                self.note(f"somebody deletes {app.name[:12]} by hand")
                self.fly.remove(app)
            else:
                self.note("an app is left behind")
                self.fly.leave_behind(f"{PREFIX}-{''.join(self.random.choices('abcdefgh234567', k=20))}")

    # ---- Functions at work

    def _work(self) -> bool:
        """Deliver one of the messages that wait; False if none does."""
        waiting = self.queues.waiting()
        if waiting:
            self._deliver(self.random.choice(waiting))
        return bool(waiting)

    def _deliver(self, message: Kept) -> None:
        record = self.queues.receive(message)
        if record is None:
            return
        self.covered["deliveries"] += 1
        reaction = self.functions.reactions[message.queue]
        self.note(f"{message.queue} ← {message.id} {self._told(message)}")
        event = {"Records": [record]}
        answer = self._invoke(message.queue, longest(message.queue), lambda context: reaction.handle(event, context))
        if answer is not None and not answer["batchItemFailures"]:
            self.queues.acknowledge(record["receiptHandle"], outdated_too=self.random.random() < 0.5)

    def _invoke[T](self, name: str, lasting: timedelta, do: Callable[[LambdaContext], T]) -> T | None:
        """What a function gives, None if it died."""
        until = self.clock() + lasting
        self._runs.append(Run(name, until))
        try:
            return do(cast("LambdaContext", _Context(self.clock, until)))
        except CrashError:
            self.note(f"{name} died")
            self.covered["crashes"] += 1
            self.functions = self._build(self.outside)
            return None
        finally:
            self._runs.pop()

    def _deliver_webhook(self) -> None:
        if not self.github.outbox:
            return
        delivery = self.random.choice(self.github.outbox)
        again = any(one.guid == delivery.guid for one in self.github.delivered)
        chosen = self.random.random() if self._troubled and not again else 1.0
        if chosen > 0.08:  # otherwise GitHub sends it once more by itself
            self.github.outbox.remove(delivery)
        else:
            self.covered["webhooks sent twice"] += 1
        if chosen > 0.93 and chosen < 1.0:
            self.note(f"webhook {delivery.event} {delivery.id} is lost")
            self.covered["webhooks lost"] += 1
            if b'"action": "closed"' in delivery.body and chosen > 0.965:
                self.note("and GitHub does not know of it")  # what it keeps for three days is all that there is
            else:
                self.github.attempt(delivery, 504)
            return
        self.covered["webhooks"] += 1
        troubled, self._troubled = self._troubled, self._troubled and not again
        self.note(f"webhook {delivery.event} {delivery.id}")
        answer = self._invoke("ingress", _INGRESS_TIMEOUT, lambda _: self.functions.ingress.receive(_request(delivery)))
        self._troubled = troubled
        self.github.attempt(delivery, int(answer["statusCode"]) if answer else 502)

    def _sweep(self) -> None:
        self.note("the janitor sweeps")
        self.covered["sweeps"] += 1
        until = self.clock() + _SWEEP_TIMEOUT
        self._invoke("janitor", _SWEEP_TIMEOUT, lambda _: self.functions.sweep(lambda: until - self.clock()))

    # ---- Between a function and all that is outside

    def between[T](self, call: Call, act: Callable[[], T]) -> T:
        """What happens instead of the call, around it, or in it."""
        if not self._runs:
            return act()
        run = self._runs[-1]
        if run.dead:
            raise CrashError
        self.covered["calls"] += 1
        if self._troubled:
            self._come_between(run)
            if self.random.random() < FAULT_CHANCE:
                return cast("T", self._fail(run, call, act))
        return act()

    def _come_between(self, run: Run) -> None:
        if self.random.random() < SLOW_CHANCE:
            self.clock.advance(timedelta(seconds=self.random.choice((0.5, 5, 40))))
        if len(self._runs) <= DEPTH and self.random.random() < INTERLEAVING_CHANCE:
            self.covered["interleavings"] += 1
            if self.random.random() < 0.25:
                self.actors.act()
            else:
                self._work()
        if self.clock() >= run.until:
            self.note(f"{run.name} is out of time")
            run.dead = True
            raise CrashError

    def _fail(self, run: Run, call: Call, act: Callable[[], Any]) -> Any:
        name = pick(self.random, call)
        self.note(f"{name}: {call.whom} {call.what} {call.about}")
        self.covered[f"fault: {name}"] += 1
        try:
            return FAULTS[name](call, act)
        except CrashError:
            run.dead = True
            raise

    def _told(self, message: Kept) -> str:
        for stated in reversed(self.bus.stated):
            if message.id in stated.messages:
                return stated.event.name()
        return ""


def _request(delivery: Delivery) -> Mapping[str, Any]:
    signature = hmac.new(WEBHOOK_SECRET.encode(), delivery.body, hashlib.sha256).hexdigest()
    headers = {
        "x-github-event": delivery.event,
        "x-github-delivery": delivery.guid,
        "x-hub-signature-256": f"sha256={signature}",
        "content-type": "application/json",
    }
    return {"headers": headers, "body": delivery.body.decode()}
