"""What travels together in one file: rows of one company, of one map, as far as their level allows."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from shared.ledger.shipments import Cargo, choose
from shared.project_operations.codes import ACTUALS
from shared.storage.landing import LandedName

FIRST = datetime(2026, 11, 20, tzinfo=UTC)
OLD, NEW = "0" * 32, "f" * 32


def _cargo(number: int, written_by: str, invoice_id: UUID | None = None, *, level: int = 0) -> Cargo:
    blob = LandedName.of(f"{invoice_id}/actuals", written_by, b"1\r\n")
    landed = FIRST + timedelta(seconds=number)
    return Cargo(
        ACTUALS, invoice_id or uuid4(), f"part|actuals|0001|{number:06}|usmf", "usmf", 1, str(blob), landed, level
    )


def test_rows_of_two_maps_never_share_a_file() -> None:
    """Parts that were read before a deployment and parts that were read after it wait side by side."""
    waiting = [_cargo(number, OLD if number % 2 else NEW) for number in range(6)]
    assert choose(waiting, 5000) == waiting[::2]
    assert choose(waiting[1:], 5000) == waiting[1::2]


def test_rows_of_two_maps_do_not_share_a_file_where_an_invoice_travels_by_itself() -> None:
    invoice_id = uuid4()
    waiting = [_cargo(number, OLD if number % 2 else NEW, invoice_id, level=1) for number in range(4)]
    assert choose(waiting, 5000) == waiting[::2]


def test_parts_of_the_first_release_share_a_file() -> None:
    invoice_id = uuid4()
    blob = f"{invoice_id}/actuals/{uuid4().hex}"
    old = [
        Cargo(ACTUALS, invoice_id, f"part|actuals|0001|00000{number}|usmf", "usmf", 1, blob, FIRST)
        for number in range(3)
    ]
    assert choose([*old, _cargo(7, NEW)], 5000) == old
