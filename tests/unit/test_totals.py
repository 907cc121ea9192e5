"""Totals add up exactly, tell equal sets of keys from unequal ones, and survive the ledger."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from shared.totals import Tally, Totals

ROWS = st.lists(
    st.tuples(
        st.uuids().map(str),
        st.sampled_from(["USD", "EUR"]),
        st.decimals(min_value=-(10**12), max_value=10**12, places=4),
    )
)


def _tally(rows: list[tuple[str, str, Decimal]]) -> Totals:
    tally = Tally()
    for key, currency, amount in rows:
        tally.add(key, currency, amount)
    return tally.totals()


@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 50))
def test_order_and_portions_make_no_difference(rows, random, cut) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert _tally(rows).same_set(_tally(shuffled[:cut]) + _tally(shuffled[cut:]))
    assert Totals.from_json(_tally(rows).to_json()).same_set(_tally(rows))


@given(ROWS.filter(len))
def test_a_missing_row_shows(rows: list[tuple[str, str, Decimal]]) -> None:
    assert not _tally(rows).same_set(_tally(rows[1:]))


def test_the_last_decimal_counts() -> None:
    one = _tally([("a", "USD", Decimal("1234567890.1234"))])
    other = _tally([("a", "USD", Decimal("1234567890.1235"))])
    assert not one.same_money(other)
    assert one.same_money(_tally([("A", "USD", Decimal("1234567890.12340"))]))


def test_another_key_with_the_same_money_is_another_set() -> None:
    one, other = _tally([("a", "USD", Decimal(1))]), _tally([("b", "USD", Decimal(1))])
    assert one.same_money(other)
    assert not one.same_set(other)
    assert one.describe() == "1 row, 1 USD"


def test_what_a_person_reads_has_thousands_apart_and_every_decimal() -> None:
    rows = [(f"key {number}", "USD", Decimal("1234567.1234")) for number in range(1000)]
    assert _tally(rows).describe() == "1,000 rows, 1,234,567,123.4000 USD"
