"""Sends single rows of a subject again, with repair pages whose cursor contains the ids of the rows.

A repair page is loaded, shipped and settled like any other page, but only those rows are read.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import batched
from uuid import UUID

from shared.engine.lifecycle import go_on
from shared.engine.messages import Load
from shared.engine.ports import Ports
from shared.ledger.rejected_rows import RejectedRow
from shared.ledger.run import Page, Run
from shared.services.odata import Guid, guid

FIRST_REPAIR = 500_000
"""Numbers of ordinary pages are lower. 2.5 billion rows fit below it."""
# A table transaction is limited to 100 entities. An actual may be listed under both of its names.
_IDS_IN_A_PAGE = 49


def repaired_ids(page: Page) -> list[UUID]:
    """The ids in Dataverse of the rows of a repair page; empty for an ordinary page."""
    return [UUID(text) for text in json.loads(page.cursor)["ids"]] if page.number >= FIRST_REPAIR else []


def rejected_before(page: Page) -> set[UUID]:
    """The rows of a repair page that were rejected before it was opened, so that they have not been counted yet."""
    return {UUID(text) for text in json.loads(page.cursor)["rejected"]}


def is_of_found(page: Page) -> bool:
    """Whether the rows of a repair page were found without a link from a billed sale. No one asked to send them."""
    return page.number >= FIRST_REPAIR and "links" in json.loads(page.cursor)


def found_links(page: Page) -> list[UUID]:
    """The connections of the rows on a repair page that were found without a link from a billed sale."""
    return [UUID(text) for text in json.loads(page.cursor).get("links", ())] if page.number >= FIRST_REPAIR else []


async def sent_singly(ports: Ports, subject: UUID, stage: str) -> set[Guid]:
    """The rows of a step on repair pages of a subject, in any reading."""
    return ids_on(await ports.ledger.pages_of_all_readings(subject, stage))


def ids_on(pages: Iterable[Page]) -> set[Guid]:
    """The rows on the repair pages among these."""
    return {guid(str(each)) for page in pages for each in repaired_ids(page)}


async def open_found(
    ports: Ports, run: Run, stage: str, taken: Iterable[Page], found: Mapping[Guid, Collection[Guid]]
) -> None:
    """Have rows of a step read that belong to a running run and were not read yet, each with its links. Raises
    LeaseLost when another worker has opened pages since `taken` was read."""
    number = _following(taken)
    for portion in batched(sorted(found), _IDS_IN_A_PAGE, strict=False):
        links = sorted({link for each in portion for link in found[each]})
        cursor = json.dumps({"ids": portion, "rejected": portion, "links": links})
        await ports.ledger.open_repair(Page(run.subject, stage, run.generation, number, cursor=cursor), [])
        await ports.queues.send(Load(stage=stage, subject=run.subject, generation=run.generation, page=number))
        number += 1


def _following(taken: Iterable[Page]) -> int:
    return max([FIRST_REPAIR - 1, *(page.number for page in taken)]) + 1


async def send_again(
    ports: Ports, run: Run, rows: Mapping[str, Sequence[str]], rejected: Sequence[RejectedRow] = ()
) -> None:
    """Open repair pages for these rows of a claimed run and restart it. The `rejected` rows among them become
    "replaying" in the same transaction as their page. Before that they must still block the run."""
    for stage, ids in rows.items():
        taken = await ports.ledger.pages(run.subject, stage, run.generation)
        number = _following(taken)
        by_source: dict[str, list[RejectedRow]] = {}
        for row in rejected:
            if row.stage == stage:
                by_source.setdefault(source_of(run, row), []).append(row)
        for portion in batched(sorted(set(ids)), _IDS_IN_A_PAGE, strict=False):
            known = [each for each in portion if each in by_source]
            cursor = json.dumps({"ids": portion, "rejected": known})
            page = Page(run.subject, stage, run.generation, number, cursor=cursor)
            await ports.ledger.open_repair(page, [row for each in known for row in by_source[each]])
            number += 1
    await go_on(ports, run)


def source_of(run: Run, row: RejectedRow) -> str:
    """The id in Dataverse with which a rejected row is read again. For a header it is the id of the subject."""
    return row.source_id or str(run.subject)
