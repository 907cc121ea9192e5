"""Imports: one package from its URL to the target tables, one at a time for each data project."""

import asyncio
import logging
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from simulators.finance.answers import GatewayFailed, ServiceRefused, action_failed
from simulators.finance.blobs import BlobRefused, Blobs
from simulators.finance.entities import COMPANIES, Entity
from simulators.finance.executions import Executions, ImportRequest, add_errors, whole
from simulators.finance.fields import Stored, new_guid
from simulators.finance.manifest import EntityPart, Manifest
from simulators.finance.package import FileRefused, PackageRefused, find_entity, holds, open_package, unknown_entity
from simulators.finance.rules import Rules
from simulators.finance.setup import label_of
from simulators.finance.staging import Staged, discard, stage, staged_chunks
from simulators.finance.store import Store
from simulators.finance.switches import Switches
from simulators.finance.target import Origin, Writer, Written

STILL_SECONDS = 0.1
LOG = logging.getLogger(__name__)


class ImportFailed(Exception):
    """An execution that ends as a whole, with a status."""

    def __init__(self, text: str, status: str = "Failed") -> None:
        super().__init__(text)
        self.status = status


@dataclass
class Part:
    """One entity of a running import and how it went."""

    plan: EntityPart
    entity: Entity
    staged: Staged | None = None
    accepted: int = 0
    failed: bool = False

    @property
    def label(self) -> str:
        return self.entity.label


class Imports:
    """Takes import calls and runs them in the background."""

    def __init__(self, store: Store, blobs: Blobs, switches: Switches, executions: Executions, directory: Path) -> None:
        self._store = store
        self._blobs = blobs
        self._switches = switches
        self._executions = executions
        self._directory = directory
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, request: ImportRequest, *, answer_at_once: bool) -> str:
        """Start one import and return its execution id.

        Raises ServiceRefused as Finance does. With `answer_at_once` the work starts after the answer. Otherwise the
        answer waits until the package is unpacked into staging; the work continues when the caller disconnects.
        """
        _check_company(request)
        await asyncio.to_thread(self._executions.check, request)
        path = self._directory / f"{new_guid()}.zip"
        manifest = None
        if self._switches.async_checks_package or not answer_at_once:
            manifest = await self._open(request, path)
        refusal = await asyncio.to_thread(self._start_refusal, request, path, manifest)
        if refusal and not self._switches.refuse_starts_late:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise refusal
        if not await asyncio.to_thread(self._register, request, path):
            return request.execution_id
        unpacked = asyncio.Event()
        self._spawn(self._run(request, path, manifest, unpacked))
        if refusal:
            raise refusal
        if not answer_at_once:
            await unpacked.wait()
        return request.execution_id

    def _start_refusal(self, request: ImportRequest, path: Path, manifest: Manifest | None) -> Exception | None:
        """The reason for refusing the start, or None."""
        switches = self._switches
        labels = [part.entity_name for part in manifest.entities] if manifest else [switches.fault_entity]
        odd = switches.refuse_starts_containing
        if odd and manifest and holds(path, manifest, odd):
            return action_failed(request.action, switches.refuse_starts_with, switches.refuse_starts_status)
        if (switches.fault_entity and switches.fault_entity not in labels) or not switches.spend("refuse_starts"):
            return None
        if switches.refuse_starts_form == "page":
            return GatewayFailed(switches.refuse_starts_status)
        return action_failed(request.action, switches.refuse_starts_with, switches.refuse_starts_status)

    async def stop(self) -> None:
        """Cancel running imports. The store must be closed before, so that threads stop too."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _register(self, request: ImportRequest, path: Path) -> bool:
        registered = False
        try:
            registered = self._executions.register(request)
        finally:
            if not registered:
                path.unlink(missing_ok=True)
        return registered

    async def _open(self, request: ImportRequest, path: Path) -> Manifest:
        try:
            await asyncio.to_thread(self._blobs.fetch, request.package_url, path)
            manifest = await asyncio.to_thread(open_package, path)
            self._refuse_unknown(manifest)
        except (BlobRefused, PackageRefused) as refused:
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise action_failed(request.action, str(refused)) from refused
        return manifest

    def _refuse_unknown(self, manifest: Manifest) -> None:
        """Refuse entities that have another label here, or none in Data Management."""
        for part in manifest.entities:
            entity = find_entity(part.entity_name)
            renamed = label_of(entity, self._switches).lower() != part.entity_name.lower()
            if renamed or entity.name in self._switches.not_in_data_management:
                raise unknown_entity(part.entity_name)

    async def _run(
        self, request: ImportRequest, path: Path, manifest: Manifest | None, unpacked: asyncio.Event
    ) -> None:
        try:
            status = await self._work(request, path, manifest, unpacked)
            await asyncio.to_thread(self._executions.set_status, request.execution_id, status)
        except ImportFailed as failed:
            await asyncio.to_thread(self._fail, request, str(failed), failed.status)
        except ServiceRefused as refused:
            await asyncio.to_thread(self._fail, request, str(refused))
        except Exception as error:
            LOG.exception("execution %s failed", request.execution_id)
            await asyncio.to_thread(self._fail, request, str(error))
        finally:
            unpacked.set()
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _work(
        self, request: ImportRequest, path: Path, manifest: Manifest | None, unpacked: asyncio.Event
    ) -> str:
        began = time.monotonic()
        await asyncio.sleep(self._switches.take_up_seconds)
        if manifest is None:
            manifest = await self._open(request, path)
        parts = [Part(plan, find_entity(plan.entity_name)) for plan in manifest.entities if not plan.skip]
        await asyncio.to_thread(self._executions.take_up, request, manifest)
        await asyncio.sleep(self._switches.import_fixed_seconds / 2)
        await asyncio.to_thread(self._executions.set_status, request.execution_id, "Executing")
        if self._strikes("import_never_ends", parts):
            unpacked.set()
            return await self._stand_still(request, parts)
        if self._strikes("import_fails_whole", parts):
            raise ImportFailed(self._switches.import_fails_with, self._switches.import_fails_as)
        if not self._strikes("succeeds_with_zero_rows", parts):
            await self._unpack(request, path, parts)
            unpacked.set()
            await self._write_all(request, parts)
        await asyncio.sleep(self._rest(parts, began))
        await asyncio.to_thread(self._misreport, request, parts)
        return _outcome(parts)

    def _misreport(self, request: ImportRequest, parts: list[Part]) -> None:
        """Report the row count of switch `said_count` for each entity that `fault_entity` names."""
        said, entity = self._switches.said_count, self._switches.fault_entity
        for part in parts if said >= 0 else ():
            if not entity or part.label == entity:
                counts = {"targetrecordscreatedcount": said, "targetrecordsupdatedcount": 0}
                self._executions.set_job(request.execution_id, part.label, **counts)

    def _rest(self, parts: list[Part], began: float) -> float:
        """The second half of the fixed seconds, or the rest of the total seconds of an import."""
        if not self._switches.import_seconds_in_all:
            return self._switches.import_fixed_seconds / 2
        rows = sum(part.staged.count for part in parts if part.staged)
        return (
            began
            + self._switches.import_fixed_seconds
            + self._switches.import_seconds_per_row * rows
            - time.monotonic()
        )

    def _strikes(self, fault: str, parts: list[Part]) -> bool:
        """Use up one of a counted fault, if it applies to these parts: `fault_entity` limits faults to one entity."""
        entity = self._switches.fault_entity
        return (not entity or any(part.label == entity for part in parts)) and self._switches.spend(fault)

    async def _stand_still(self, request: ImportRequest, parts: list[Part]) -> str:
        """Stay running without a result until `stuckImportsEnd` is set."""
        await asyncio.to_thread(self._set_staging, request, parts, "Executing")
        while not self._switches.stuck_imports_end:  # noqa: ASYNC110 - switches are plain values
            await asyncio.sleep(STILL_SECONDS)
        end = self._switches.stuck_imports_end
        await asyncio.to_thread(
            self._set_staging, request, parts, {"Failed": "Error", "Succeeded": "Finished"}.get(end, end)
        )
        return end

    def _set_staging(self, request: ImportRequest, parts: list[Part], status: str) -> None:
        for part in parts:
            self._executions.set_job(request.execution_id, part.label, stagingstatus=status)

    def _fail(self, request: ImportRequest, text: str, status: str = "Failed") -> None:
        self._executions.add_errors(request.execution_id, "", "staging", [whole(text)] if text else [])
        self._executions.set_status(request.execution_id, status)

    async def _unpack(self, request: ImportRequest, path: Path, parts: list[Part]) -> None:
        if request.action == "ImportFromPackage":
            await asyncio.sleep(self._switches.slow_unpack_seconds)
        for part in parts:
            await asyncio.to_thread(self._stage, request, path, part)

    def _stage(self, request: ImportRequest, path: Path, part: Part) -> None:
        identity = (request.execution_id, part.label)
        self._executions.set_job(*identity, stagingstatus="Executing")
        if not part.plan.mapping:
            self._executions.set_job(*identity, stagingstatus="Finished")
            return
        try:
            staged = stage(
                self._store, path, part.plan, part.entity, request.execution_id, longest=self._switches.longest_values
            )
        except FileRefused as refused:
            part.failed = True
            self._executions.add_errors(*identity, "staging", [whole(str(refused))])
            self._executions.set_job(*identity, stagingstatus="Error")
            return
        part.staged, part.failed = staged, bool(staged.errors)
        refused_rows = len({error.row for error in staged.errors})
        self._executions.add_errors(*identity, "staging", staged.errors)
        status = "Error" if staged.errors else "Finished"
        self._executions.set_job(
            *identity, stagingstatus=status, stagingrecordscreatedcount=staged.count, stagingerrorcount=refused_rows
        )

    async def _write_all(self, request: ImportRequest, parts: list[Part]) -> None:
        if not request.execute:
            return
        ordered = sorted(parts, key=lambda part: (part.plan.unit, part.plan.level, part.plan.sequence))
        units = [list(unit) for _, unit in groupby(ordered, key=lambda part: part.plan.unit)]
        await asyncio.gather(*(self._write_unit(request, unit) for unit in units))

    async def _write_unit(self, request: ImportRequest, unit: list[Part]) -> None:
        """Write level after level. The parts of a level are written in their sequence."""
        for _, level in groupby(unit, key=lambda part: part.plan.level):
            parts = list(level)
            for part in parts:
                await self._write(request, part)
                if part.failed and part.plan.fail_level:
                    break
            if any(part.failed and part.plan.fail_unit for part in parts):
                return

    async def _write(self, request: ImportRequest, part: Part) -> None:
        if part.staged is None:
            await self._set_target(request, part, "NotRun" if part.failed else "Finished")
            return
        await self._set_target(request, part, "Executing")
        total = Written()
        for rows in staged_chunks(self._store.reading(), request.execution_id, part.entity):
            await asyncio.to_thread(self._write_chunk, request, part, rows, total)
            if not self._switches.import_seconds_in_all:
                await asyncio.sleep(self._switches.import_seconds_per_row * len(rows))
        part.accepted = total.created + total.updated
        part.failed = part.failed or bool(total.errors)
        await self._set_target(request, part, "Error" if total.errors else "Finished")
        await asyncio.to_thread(discard, self._store, request.execution_id, part.entity)

    async def _set_target(self, request: ImportRequest, part: Part, status: str) -> None:
        await asyncio.to_thread(self._executions.set_job, request.execution_id, part.label, targetstatus=status)

    def _write_chunk(
        self, request: ImportRequest, part: Part, rows: list[tuple[int, list[Stored]]], total: Written
    ) -> None:
        columns = part.staged.columns if part.staged else []
        with self._store.writing() as db:
            writer = Writer(part.entity, columns, request.company, Rules(self._switches, db, request.company))
            written = writer.write_chunk(rows, Origin(request.execution_id, request.project))
            add_errors(db, request.execution_id, part.label, "target", written.errors)
            total.created += written.created
            total.updated += written.updated
            total.errors += written.errors
            self._executions.change_job(
                db,
                request.execution_id,
                part.label,
                targetrecordscreatedcount=total.created,
                targetrecordsupdatedcount=total.updated,
                targeterrorcount=len(total.errors),
            )


def _check_company(request: ImportRequest) -> None:
    if len(request.company) > 4:
        raise action_failed(request.action, f"The legal entity '{request.company}' is longer than 4 characters.")
    if request.company not in COMPANIES:
        raise action_failed(request.action, f"Legal entity '{request.company}' does not exist.")


def _outcome(parts: list[Part]) -> str:
    if not any(part.failed for part in parts):
        return "Succeeded"
    clean = any(not part.failed for part in parts)
    return "PartiallySucceeded" if clean or any(part.accepted for part in parts) else "Failed"
