"""The setting with the statuses in which an invoice counts as confirmed."""

# The codes of project_operations/codes.py, repeated because that package lies above this one (.importlinter).
_DRAFT, _IN_REVIEW, _CONFIRMED, _PAID = range(192350000, 192350004)
CONFIRMED_AND_PAID = frozenset({_CONFIRMED, _PAID})


def statuses(value: object) -> object:
    """Parse a text such as `192350002,192350003`. Raises ValueError."""
    if not isinstance(value, str):
        return value
    texts = [text.strip() for text in value.split(",")]
    if not all(text.isascii() and text.isdigit() for text in texts):
        raise ValueError("must be whole numbers with commas between them, such as 192350002,192350003")
    return frozenset(map(int, texts))


def confirmed_statuses(value: frozenset[int]) -> frozenset[int]:
    """Check the statuses. Raises ValueError."""
    if _CONFIRMED not in value:
        raise ValueError(f"must hold {_CONFIRMED} (Confirmed)")
    if value & {_DRAFT, _IN_REVIEW}:
        raise ValueError(
            f"must not hold {_DRAFT} (Draft) or {_IN_REVIEW} (In Review): these invoices are not confirmed"
        )
    return value
