"""The end of an example: faults stop, all messages are handled, sweeps find the rest, and everything must add up."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.jobs.job import load_job
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Run, State
from shared.project_operations.codes import ACTUALS, CONNECTIONS, INVOICES
from tests.proof.machine_stage import Scene
from tests.proof.machine_world import Invoice

_MOST_DELIVERIES = 600
_MOST_TOLD = 200
_MOST_SWEEPS = 4
_MOST_REPAIRS = 8
_STALLED = timedelta(seconds=901)
_KINDS = {INVOICES: "header", ACTUALS: "actual", CONNECTIONS: "connection"}


@dataclass
class Rest:
    """The remaining work of hosts, timers and operators when no more faults occur."""

    scene: Scene
    delivered: int = 0

    def come_to_rest(self) -> None:
        """First with the corrupted data still corrupted, then repaired and replayed by the operator."""
        world = self.scene.world
        world.calm()
        self.drain()
        for invoice in world.invoices:
            self._check_told(invoice)
        world.mend()
        for _ in range(_MOST_REPAIRS):
            if not self._operate():
                break
            self.drain()
        for invoice in world.invoices:
            self._check_equal(invoice)
        self._post_the_rest()
        self.scene.run(self._check_empty())
        self.scene.end()

    def _post_the_rest(self) -> None:
        """What was posted in part is posted whole, at a month end all is, and comes back; what posting made of a row
        stays as it was."""
        world = self.scene.world
        posted = [each for each in world.invoices if each.posted or (self.scene.close and each.confirmed)]
        for invoice in posted:
            world.post(invoice)
        self.scene.step(self.scene.look_for_postings())
        self.drain()
        for invoice in posted:
            run, detail = self.run_of(invoice), world.detail(invoice)
            changed = {key: (was, detail.get(key)) for key, was in invoice.posted.items() if detail.get(key) != was}
            assert not changed, changed
            assert run
            assert run.posting == "written back", (run.posting, run.posting_detail)

    def drain(self) -> None:
        """Handle every message, and sweep, until all runs are over."""
        for _ in range(_MOST_SWEEPS):
            while self.scene.app.letters:
                self._deliver_next()
            if self._is_final():
                return
            self.scene.advance(_STALLED)
            self.scene.tell(f"    sweep at rest: {self.scene.step(self.scene.sweep(0))}")
        raise AssertionError(f"no final state: {[self._state(each) for each in self.scene.world.invoices]}")

    def _deliver_next(self) -> None:
        app = self.scene.app
        due = app.due_letters()
        if not due:
            self.scene.advance(min(letter.due for letter in app.letters) - app.clock.now())
            return
        self.delivered += 1
        # What happens once in many examples need not happen again when Hypothesis tries the same steps.
        assert self.delivered < _MOST_DELIVERIES, "it never comes to rest:\n" + "\n".join(
            self.scene.story[-_MOST_TOLD:]
        )
        self.scene.tell(f"    at rest, {due[0]}: {self.scene.step(app.deliver(due[0], 0))}")
        self.scene.check()

    def _is_final(self) -> bool:
        runs = [self.run_of(invoice) for invoice in self.scene.world.invoices]
        confirmed = [invoice.confirmed for invoice in self.scene.world.invoices]
        return all(
            (run is None or run.state.is_final) if not known else (run is not None and _is_over(run))
            for run, known in zip(runs, confirmed, strict=True)
        )

    def _operate(self) -> bool:
        """What an operator does about every run that is not as it should be; False when there is none."""
        busy = False
        for invoice in self.scene.world.invoices:
            if invoice.confirmed and not self._is_right(invoice):
                busy = True
                self._repair(invoice)
        return busy

    def _repair(self, invoice: Invoice) -> None:
        run = self.run_of(invoice)
        assert run
        opened = [row for row in self.rows_of(invoice) if row.status == "open"]
        asked: dict[str, Any] = {"invoiceId": invoice.invoice_id}
        if run.state == State.COMPLETED:
            done = self.scene.step(self.scene.ask("post_reconciliation", 0, None, **asked, fix=True))
        else:
            done = self.scene.step(self.scene.ask("post_replay", 0, None, **asked))
        self.scene.tell(
            f"    operator about {invoice.invoice_id[:8]} ({run.state}: {run.detail}; {len(opened)} open): {done}"
        )

    def _is_right(self, invoice: Invoice) -> bool:
        run = self.run_of(invoice)
        return run is not None and run.state == State.COMPLETED and not self._difference(invoice)

    def _check_told(self, invoice: Invoice) -> None:
        """A run that is completed has everything; one that needs attention says which rows it lacks."""
        run = self.run_of(invoice)
        if not invoice.confirmed:
            assert run is None or run.state == State.REJECTED, run
            assert not self.scene.world.held_of(invoice)
            return
        assert run
        self.scene.tell(f"    told of {invoice.invoice_id[:8]}: {run.state}, {run.detail}")
        self.scene.world.look(invoice)
        if run.state == State.COMPLETED:
            assert not [row for row in self.rows_of(invoice) if row.status == "open"], run.detail
        if run.state == State.COMPLETED and not self.scene.late:
            assert not self._difference(invoice), (run.detail, self._difference(invoice))
        if run.state == State.NEEDS_ATTENTION:
            self._check_rejected(run, invoice)
        if not self.scene.asks_for_a_person:
            assert run.state == State.COMPLETED, f"what passes asked for a person: {run.state}, {run.detail}"

    def _check_rejected(self, run: Run, invoice: Invoice) -> None:
        rows = [row for row in self.rows_of(invoice) if row.status == "open"]
        stages = {row.stage for row in rows}
        if len(stages) == 1 and not self.scene.late:
            kind = _KINDS[stages.pop()]
            lacking = {key.lower() for each, key in self._difference(invoice) if each == kind}
            told = {row.key.lower() for row in rows}
            assert lacking <= told, (run.detail, lacking, told)

    def _check_equal(self, invoice: Invoice) -> None:
        run = self.run_of(invoice)
        if not invoice.confirmed:
            return
        assert run
        assert run.state == State.COMPLETED, (run.state, run.detail, run.wait)
        assert not self._difference(invoice), (run.detail, self._difference(invoice))

    def _difference(self, invoice: Invoice) -> set[tuple[str, str]]:
        """What is missing in Finance without having been dismissed. No connection of a dismissed row has to go."""
        self.scene.world.look(invoice)
        gone = {("actual", row.source_id.lower()) for row in self.rows_of(invoice) if row.status == "dismissed"}
        missing = invoice.keys - self.scene.world.held_of(invoice)
        return {
            (kind, key)
            for kind, key in missing
            if (kind, invoice.produced[kind][key]) not in gone and not (gone and kind == "connection")
        }

    def run_of(self, invoice: Invoice) -> Run | None:
        """The run of an invoice."""
        return self.scene.run(self.scene.app.hosts[0].ledger.run(UUID(invoice.invoice_id)))

    def rows_of(self, invoice: Invoice) -> list[RejectedRow]:
        """Its rejected rows, in any status."""
        return self.scene.run(self.scene.app.hosts[0].rejections.of(UUID(invoice.invoice_id)))

    def _state(self, invoice: Invoice) -> str:
        run = self.run_of(invoice)
        return f"{run.state} {run.detail} {run.wait}" if run else "no run"

    async def _check_empty(self) -> None:
        """The dock is empty, and no completed run has a landed blob."""
        host = self.scene.app.hosts[0]
        for stage in load_job().maps:
            view = await host.dock.view(stage)
            assert not view.cargo, view.cargo
            assert not view.shipments, view.shipments


def _is_over(run: Run) -> bool:
    return run.state.is_final and run.state != State.REJECTED
