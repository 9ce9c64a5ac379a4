"""What Lambda's SQS poller does: receive, invoke, delete what was finished; the rest comes back by itself."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from choreography.clock import utc_now
from prestage.stage.deployment import DeployedFunction
from prestage.stage.execution import InvocationError
from prestage.stage.lambdas import Lambdas

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

_LOOK_SECONDS = 0.2
"""How often a queue is looked at that nobody said anything of: messages come back by themselves."""

_DEFAULT_CONCURRENCY = 5


class Poller:
    """Feeds functions from their queues.

    Args:
        functions: those without a queue are left alone.
        lambdas: runs them.
        sqs: the queues.
        next_visible: when the next message of these queues (by URL) can be received, None if there is none.
        is_fed: whether a function is to have its messages now.
    """

    def __init__(
        self,
        functions: Sequence[DeployedFunction],
        lambdas: Lambdas,
        sqs: "SQSClient",
        next_visible: Callable[[Sequence[str]], datetime | None],
        is_fed: Callable[[DeployedFunction], bool] = lambda _: True,
    ) -> None:
        self._polled: list[DeployedFunction] = []
        self._run_by: dict[str, Lambdas] = {}
        self._sqs = sqs
        self._next_visible = next_visible
        self._is_fed = is_fed
        self._woken: dict[str | None, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._stopping = False
        self.add(functions, lambdas)

    def add(self, functions: Sequence[DeployedFunction], lambdas: Lambdas) -> None:
        """Feed these functions too, which others run; before `start`."""
        added = [function for function in functions if function.queue_url]
        self._polled += added
        self._woken |= {function.queue_arn: threading.Event() for function in added}
        self._run_by |= {function.logical_id: lambdas for function in added}

    def start(self) -> None:
        """Poll from now on, until `stop`; each function may run as often at once as the template says."""
        for function in self._polled:
            thread = threading.Thread(target=self._keep_polling, args=(function,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Stop polling; returns when no function is being fed."""
        self._stopping = True
        for event in self._woken.values():
            event.set()
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    def wake(self, queue_arn: str) -> None:
        """Say that a message has come."""
        if queue_arn in self._woken:
            self._woken[queue_arn].set()

    def settle(self, *, parallel: bool = False) -> None:
        """Feed the functions until no message can be received now: one at a time, or as many at once as may run."""
        if parallel:
            self._settle_in_parallel()
        else:
            while sum(self._poll(function) for function in self._polled):
                pass

    def hidden(self) -> datetime | None:
        """When the next message can be received that is hidden, or was when it was settled; None if there is none."""
        return self._next_visible([str(function.queue_url) for function in self._polled if self._is_fed(function)])

    def _settle_in_parallel(self) -> None:
        with ThreadPoolExecutor(max_workers=sum(map(_concurrency, self._polled))) as pool:
            while True:
                batches = [
                    (function, messages)
                    for function in self._polled
                    for _ in range(_concurrency(function))
                    if (messages := self._receive(function))
                ]
                if not batches:
                    return
                done: list[Future[None]] = [pool.submit(self._feed, *batch) for batch in batches]
                for future in done:
                    future.result()

    def _keep_polling(self, function: DeployedFunction) -> None:
        woken = self._woken[function.queue_arn]
        free = threading.Semaphore(_concurrency(function))
        with ThreadPoolExecutor(max_workers=_concurrency(function)) as pool:
            while not self._stopping:
                free.acquire()
                messages = self._receive(function)
                if messages:
                    pool.submit(self._feed, function, messages).add_done_callback(lambda _: free.release())
                else:
                    free.release()
                    woken.wait(_LOOK_SECONDS)
                    woken.clear()

    def _poll(self, function: DeployedFunction) -> bool:
        messages = self._receive(function)
        if messages:
            self._feed(function, messages)
        return bool(messages)

    def _receive(self, function: DeployedFunction) -> "list[MessageTypeDef]":
        soonest = self._next_visible([str(function.queue_url)])
        if soonest is None or soonest > utc_now() or not self._is_fed(function):
            return []  # at no request: most queues have nothing most of the time
        answer = self._sqs.receive_message(
            QueueUrl=str(function.queue_url),
            MaxNumberOfMessages=min(function.batch_size or 1, 10),
            WaitTimeSeconds=0,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        return answer.get("Messages", [])

    def _feed(self, function: DeployedFunction, messages: "Sequence[MessageTypeDef]") -> None:
        records = [_record(message, function) for message in messages]
        try:
            answer = self._run_by[function.logical_id].invoke(function.logical_id, {"Records": records})
        except InvocationError:
            return
        unfinished = {failure["itemIdentifier"] for failure in (answer or {}).get("batchItemFailures", [])}
        for message in messages:
            if message["MessageId"] not in unfinished:
                self._sqs.delete_message(QueueUrl=str(function.queue_url), ReceiptHandle=message["ReceiptHandle"])


def _concurrency(function: DeployedFunction) -> int:
    return function.maximum_concurrency or _DEFAULT_CONCURRENCY


def _record(message: "MessageTypeDef", function: DeployedFunction) -> Mapping[str, Any]:
    """The message as Lambda's event has it."""
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": message.get("Attributes", {}),
        "messageAttributes": {
            name: {"stringValue": attribute.get("StringValue"), "dataType": attribute["DataType"]}
            for name, attribute in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": function.queue_arn,
        "awsRegion": str(function.queue_arn).split(":")[3],
    }
