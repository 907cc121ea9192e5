"""Reconciliations: one finding per invoice, with its result."""

import json
from typing import Any
from uuid import UUID

from operate.reconcile.jobs import HEAD, PORTION, Jobs
from relay_contract.reconciliation import Expected, Reconciled, Reconciliation
from shared.clock import stamp

_SHOWN = 200


class Reports(Jobs):
    """The results of reconciliations."""

    kind = "reconciliation"

    async def open(self, job: str, invoices: int, *, by: str, expected: Expected | None = None) -> None:
        """Record a new job, its number of invoices and, for a period, the expected numbers."""
        noted = json.dumps(expected.document() if expected else None)
        head = {"by": by, "at": stamp(self._now()), "of": invoices, "expected": noted}
        await self._table.upsert_entity(self._row(job, HEAD, head))

    async def put(self, job: str, invoice_id: UUID, result: Reconciled) -> None:
        """Store the result of one invoice. Lists that are too long are cut; their counts are kept."""
        text = _fitting(result.document())
        # A text of twice the length of one property fits, see `_fitting`.
        columns = {"result": text[:PORTION], "rest": text[PORTION:]}
        # An upsert: a message that is delivered twice compares twice, and the later result stands.
        await self._table.upsert_entity(self._row(job, str(invoice_id), columns))

    async def read(self, job: str) -> Reconciliation | None:
        """The job, or None."""
        head = await self._head(job)
        if head is None:
            return None
        results = [Reconciled.model_validate_json(row["result"] + row["rest"]) for row in await self._findings(job)]
        failed = next((result.problem for result in results if result.problem), "")
        done, compared = len(results) >= head["of"], sum(not result.problem for result in results)
        # Optional: jobs that an earlier release opened lack it.
        noted = json.loads(head.get("expected") or "null")
        expected = Expected.model_validate(noted) if noted else None
        return Reconciliation(
            id=job,
            state="failed" if done and failed else "done" if done else "running",
            detail=failed,
            done=len(results),
            of=head["of"],
            compared=compared,
            expected=expected,
            summary=summary(head["of"], compared, expected) if done else "",
            invoices=results,
        )


def summary(of: int, compared: int, expected: Expected | None) -> str:
    """How many of the expected invoices were compared, and why, for an operator. A comparison of none says so."""
    if not of:
        return (
            "Nothing was compared: Dataverse lists no confirmed project invoice of this period, and no run was "
            "accepted in it. That does not mean that all is well. Check the period"
        )
    told = f"Compared {compared:,} of {_counted(of, 'invoice')}"
    if expected is None or expected.confirmed is None or expected.runs is None:
        return told
    told += f". Dataverse lists {expected.confirmed:,} as confirmed; {_counted(expected.runs, 'run')} of this period"
    if old := expected.before_go_live:
        told += f". {_counted(old, 'invoice')} confirmed before SWEEP_START without a run: sent only when named alone"
    return told


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _fitting(result: dict[str, Any]) -> str:
    shown = _SHOWN
    # A fixed number of rows could still be too long: they name columns and values of any length.
    while len(text := json.dumps(_cut(result, shown))) > 2 * PORTION and shown:
        shown //= 2
    return text


def _cut(result: dict[str, Any], shown: int) -> dict[str, Any]:
    return {
        name: value[:shown] if isinstance(value, list) and name != "maps" else value for name, value in result.items()
    }
