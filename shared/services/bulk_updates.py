"""Writes columns of many Dataverse rows: UpdateMultiple where the table supports it, else `$batch`.

UpdateMultiple is one transaction: one bad row rolls all of them back. So a refused call is repeated row by row in a
batch that continues on errors, and only the bad rows fail. The number of rows in a call adapts: it doubles after a
success and is halved after a call without an answer. It never exceeds 1,000, Microsoft's limit for one transaction.
"""

import asyncio
import email
import email.policy
import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from email.message import Message as MimePart
from uuid import UUID, uuid4

from shared.errors import NotPermitted, Refused, Unavailable
from shared.services.answers import Answer, Asked, Expected, Reply
from shared.services.dataverse import API, NAME, NO_SUCH_ROW
from shared.services.http import Service
from shared.totals import plain

MOST_ROWS = 1000
_FIRST_ROWS = 200
_FEWEST_ROWS = 10
# Each try halves the rows.
_TRIES = 4
# Not every table supports UpdateMultiple, and only a call finds out.
_NOT_SUPPORTED = {404, 405, 501}
_FORBIDDEN = 403
_EXACT = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')

type Values = Mapping[str, str | Decimal | None]


class BulkUpdates:
    """Updates of one Dataverse environment. Raises the errors of `Service.post`."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._rows_in_a_call = _FIRST_ROWS
        self._in_bulk: dict[str, bool] = {}

    async def write(self, entity_set: str, table: str, key: str, rows: Mapping[UUID, Values]) -> dict[UUID, Refused]:
        """Write columns of rows. Return the rows that Dataverse refused, each with its error."""
        ids, calls = list(rows), []
        while ids:
            portion, ids = ids[: self._rows_in_a_call], ids[self._rows_in_a_call :]
            calls.append(self._portion(entity_set, table, key, {row_id: rows[row_id] for row_id in portion}))
        refused: dict[UUID, Refused] = {}
        for result in await asyncio.gather(*calls):
            refused |= result
        return refused

    async def _portion(
        self, entity_set: str, table: str, key: str, rows: Mapping[UUID, Values], tries: int = _TRIES
    ) -> dict[UUID, Refused]:
        try:
            refused = await self._attempt(entity_set, table, key, rows)
        except Unavailable:
            self._rows_in_a_call = max(_FEWEST_ROWS, self._rows_in_a_call // 2)
            if tries <= 1 or len(rows) <= _FEWEST_ROWS:
                raise
            ids = list(rows)
            halves = (ids[: len(ids) // 2], ids[len(ids) // 2 :])
            parts = [{row_id: rows[row_id] for row_id in half} for half in halves]
            results = [await self._portion(entity_set, table, key, part, tries - 1) for part in parts]
            return results[0] | results[1]
        self._rows_in_a_call = min(MOST_ROWS, self._rows_in_a_call * 2)
        return refused

    async def _attempt(self, entity_set: str, table: str, key: str, rows: Mapping[UUID, Values]) -> dict[UUID, Refused]:
        if self._in_bulk.get(table, True):
            try:
                await self._update_multiple(entity_set, table, key, rows)
            except Refused as refusal:
                # Remembered per table, so that an unsupported table costs one failed call and not one per portion.
                self._in_bulk[table] = not _is_unsupported(refusal)
            except NotPermitted:
                # The 403 may concern the table, or one row of another owner. The batch finds out row by row.
                pass
            else:
                return {}
        return await self._batch(entity_set, rows)

    async def _update_multiple(self, entity_set: str, table: str, key: str, rows: Mapping[UUID, Values]) -> None:
        kind = f"Microsoft.Dynamics.CRM.{table}"
        targets = [{"@odata.type": kind, key: str(row_id), **values} for row_id, values in rows.items()]
        url = self._service.url(f"{API}/{entity_set}/Microsoft.Dynamics.CRM.UpdateMultiple")
        headers = {"Content-Type": "application/json", **_QUIET}
        await self._service.send(url, headers, exact_json({"Targets": targets}), Expected.NOTHING)

    async def _batch(self, entity_set: str, rows: Mapping[UUID, Values]) -> dict[UUID, Refused]:
        boundary = f"batch_{uuid4()}"
        parts = [_part(boundary, f"{API}/{entity_set}({row_id})", values) for row_id, values in rows.items()]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        headers = {
            "Content-Type": f'multipart/mixed; boundary="{boundary}"',
            "Prefer": "odata.continue-on-error",
            **_QUIET,
        }
        answer = await self._service.send(self._service.url(f"{API}/$batch"), headers, body, Expected.PARTS)
        answers = _answers(answer)
        if len(answers) != len(rows):
            raise answer.unusable(f"{len(answers)} answers of {len(rows)}")
        asked = Asked("PATCH", f"{API}/{entity_set}", Expected.NOTHING)
        meanings = {row_id: await self._meaning(asked, part) for row_id, part in zip(rows, answers, strict=True)}
        return _only_rows({row_id: error for row_id, error in meanings.items() if error}, len(rows))

    async def _meaning(self, asked: Asked, part: Reply) -> Refused | NotPermitted | None:
        """The error of one row, or None. Raises the error of the whole call where the part is not about its row:
        throttling, for example, is reported in a part as well."""
        try:
            await self._service.judged(asked, part)
        except (Refused, NotPermitted) as error:
            return error
        return None


def _only_rows(errors: Mapping[UUID, Refused | NotPermitted], tried: int) -> dict[UUID, Refused]:
    """The refused rows. Raises NotPermitted when every row was forbidden, since that concerns the table."""
    forbidden = [error for error in errors.values() if isinstance(error, NotPermitted)]
    if forbidden and len(forbidden) == tried:
        raise forbidden[0]
    return {
        row_id: error if isinstance(error, Refused) else Refused(NAME, _FORBIDDEN, error.code, error.text)
        for row_id, error in errors.items()
    }


# No asynchronous plug-in or webhook runs for these writes. Otherwise our own update would come back to us as an event.
_BYPASS = ("MSCRM.BypassBusinessLogicExecution", "CustomAsync")
_QUIET = {"OData-MaxVersion": "4.0", "OData-Version": "4.0", _BYPASS[0]: _BYPASS[1]}


def _is_unsupported(refusal: Refused) -> bool:
    # A missing row is answered with 404 as well. That says nothing about the table.
    return refusal.status in _NOT_SUPPORTED and refusal.code.lower() != NO_SUCH_ROW


def exact_json(value: object) -> bytes:
    """JSON with decimals as exact number text, which the json module cannot write."""
    return _EXACT.sub(r"\1", json.dumps(value, default=lambda number: f"\0{plain(number)}\0")).encode()


def _part(boundary: str, path: str, values: Values) -> bytes:
    body = exact_json(dict(values))
    head = (
        f"--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        f"PATCH {path} HTTP/1.1\r\nContent-Type: application/json; type=entry\r\nIf-Match: *\r\n"
        # The headers of the batch do not apply to its parts.
        f"{_BYPASS[0]}: {_BYPASS[1]}\r\n\r\n"
    )
    return head.encode() + body + b"\r\n"


def _answers(answer: Answer) -> Sequence[Reply]:
    content_type = answer.reply.headers.get("Content-Type", "")
    document = email.message_from_bytes(
        f"Content-Type: {content_type}\r\n\r\n".encode() + answer.body, policy=email.policy.HTTP
    )
    if not document.is_multipart():
        raise answer.unusable("a body that is not multipart")
    return [_answer(answer, part) for part in document.iter_parts()]


def _answer(answer: Answer, part: MimePart) -> Reply:
    content = part.get_payload(decode=True)
    head, _, body = bytes(content if isinstance(content, bytes) else b"").partition(b"\r\n\r\n")
    try:
        status = int(head.split(None, 2)[1])
    except (IndexError, ValueError):
        raise answer.unusable("a part without a status") from None
    lines = (line.partition(":") for line in head.decode("latin-1").splitlines()[1:])
    return Reply(status, {name.strip().title(): value.strip() for name, _, value in lines}, body.strip())
