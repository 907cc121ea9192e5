"""Sends webhooks after commit, with the delivery behaviour of the platform."""

import asyncio
import logging
import random
import sqlite3
from collections import Counter
from datetime import UTC, datetime

from aiohttp import ClientError, ClientSession, ClientTimeout

from simulators.dataverse.events import Event
from simulators.dataverse.schema import Schema
from simulators.dataverse.store import Store, Writer, new_id
from simulators.dataverse.switches import Switches
from simulators.dataverse.values import now_text
from simulators.dataverse.webhooks.context import LARGEST_BODY, ContextWriter, Job, serialize, stripped
from simulators.dataverse.webhooks.registration import BULK, TABLES, Step, enabled_steps

AT_ONCE = 32
RETRIED = {502, 503, 504}
SUCCEEDED, FAILED = 30, 31
WEBHOOK_ERROR = -2146893803
_log = logging.getLogger("simulators.dataverse.webhooks")


class Sender:
    """Sends each event to each matching step once. Only 502, 503 and 504 cause a single retry.

    Neither delivery nor order is guaranteed. Every delivery is a system job (asyncoperation).
    """

    def __init__(self, store: Store, schema: Schema, switches: Switches, organization_id: str) -> None:
        self.store, self.switches, self.schema = store, switches, schema
        self.writer = ContextWriter(schema, organization_id)
        self.organization = f"org{organization_id[:8]}.crm4.dynamics.com"
        self.steps: list[Step] = []
        self.counts: Counter[str] = Counter()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: ClientSession | None = None
        self._random = random.Random()  # noqa: S311 - faults, no secrets

    def look(self, connection: sqlite3.Connection, events: list[Event]) -> None:
        """Read the registered steps when one of them may have changed. Runs in the writer, after the commit."""
        if any(event.table in TABLES for event in events):
            self.steps = enabled_steps(connection, self.schema)

    def tell(self, events: list[Event]) -> None:
        """Take the events of a committed transaction."""
        if self.switches.webhookOff:
            return
        correlation, now = new_id(), datetime.now(UTC)
        jobs = [
            Job(told, step, new_id(), correlation, now)
            for step in self.steps
            for told in _told(step, events)
            if not self._loses()
        ]
        if jobs:
            task = asyncio.get_running_loop().create_task(self._run(jobs))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel deliveries in progress: a stopped organization sends nothing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    @property
    def pending(self) -> int:
        return len(self._tasks)

    async def _run(self, jobs: list[Job]) -> None:
        await self.store.write(lambda writer: _queue(writer, jobs))
        if self.switches.webhookShuffle:
            self._random.shuffle(jobs)
        await asyncio.gather(*(self._deliver(job) for job in jobs))

    def _loses(self) -> bool:
        lost = self._random.random() < self.switches.webhookLost
        self.counts["lost"] += lost
        return lost

    async def _deliver(self, job: Job) -> None:
        body, headers = self._message(job)
        async with self._slots:
            for _ in range(1 + self.switches.webhookDuplicates):
                failure = await self._attempts(job.step, body, headers)
        self.counts["failed" if failure else "succeeded"] += 1
        await self.store.write(lambda writer: _finish(writer, job, failure))

    async def _attempts(self, step: Step, body: bytes, headers: dict[str, str]) -> str:
        """Return why the delivery failed, or nothing."""
        status, failure = await self._post(step, body, headers)
        if status in RETRIED:
            await asyncio.sleep(self.switches.webhookRetrySeconds)
            status, failure = await self._post(step, body, headers)
        return failure

    async def _post(self, step: Step, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        self.counts["sent"] += 1
        self._session = self._session or ClientSession()
        timeout = ClientTimeout(total=self.switches.webhookTimeoutSeconds)
        try:
            async with self._session.post(step.address, data=body, headers=headers, timeout=timeout) as answer:
                if answer.ok:
                    return answer.status, ""
                return answer.status, f"The webhook call failed with status {answer.status} ({answer.reason})."
        except TimeoutError:
            return 0, "The webhook call failed because the http request timed out at client side."
        except ClientError as error:
            return 0, f"The webhook call failed because the endpoint could not be reached: {error}"

    def _message(self, job: Job) -> tuple[bytes, dict[str, str]]:
        context = self.writer.context(job, offset_dates=self.switches.webhookOffsetDates)
        body = serialize(context)
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "x-ms-dynamics-organization": self.organization,
            "x-ms-dynamics-entity-name": job.event.table,
            "x-ms-dynamics-request-name": job.step.message,
            "x-ms-correlation-request-id": job.correlation_id,
            "x-request-id": new_id(),
            **job.step.headers,
        }
        if len(body) > LARGEST_BODY or self.switches.webhookStrip:
            body = serialize(stripped(context, self.switches.webhookStripForm))
            headers["x-ms-dynamics-msg-size-exceeded"] = "True"
        return body, headers


def _told(step: Step, events: list[Event]) -> list[tuple[Event, ...]]:
    """The events of one delivery to the step: one event, or all events of a bulk message."""
    message = BULK.get(step.message)
    if message is None:
        return [(event,) for event in events if _concerns(step, step.message, event)]
    rows = [event for event in events if not event.bypass and (event.table, event.message) == (step.entity, message)]
    return [tuple(rows)] if any(_concerns(step, message, event) for event in rows) else []


def _concerns(step: Step, message: str, event: Event) -> bool:
    if event.bypass or (step.entity, message) != (event.table, event.message):
        return False
    return event.message != "Update" or not step.filtering or any(name in event.changes for name in step.filtering)


def _queue(writer: Writer, jobs: list[Job]) -> None:
    now = now_text()
    for job in jobs:
        event = job.event
        writer.insert("asyncoperation", {
            "asyncoperationid": job.job_id, "name": f"{job.step.message} of {event.table}",
            "statecode": 2, "statuscode": 20, "retrycount": 0,
            "createdon": now, "modifiedon": now, "messagename": job.step.message, "correlationid": job.correlation_id,
            "owningextensionid": job.step.step_id,
            "regardingobjectid": event.key if event.table == "invoice" else None})  # fmt: skip


def _finish(writer: Writer, job: Job, failure: str) -> None:
    if not failure and job.step.auto_delete:
        writer.connection.execute("DELETE FROM asyncoperation WHERE asyncoperationid = ?", (job.job_id,))
        return
    now = now_text()
    writer.update("asyncoperation", job.job_id, {
        "statecode": 3, "statuscode": FAILED if failure else SUCCEEDED, "completedon": now, "modifiedon": now,
        "errorcode": WEBHOOK_ERROR if failure else None, "message": failure or None,
        "friendlymessage": failure or None})  # fmt: skip
