"""A date in Dataverse is the instant of midnight where a person sat; what arrives is the day that the person chose."""

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.configuration.time_zones import Zones
from shared.errors import NeedsAttention
from shared.maps.days import Undecidable, day_meant, is_midnight
from shared.maps.map_parts import FieldPair
from shared.maps.table_map import TableMap, load_map
from shared.maps.transforms import RowRefused
from shared.project_operations.chosen_days import DayTally
from shared.project_operations.codes import ACTUALS

BERLIN = Zones(ZoneInfo("Europe/Berlin"))
ANYWHERE = ("Australia/Sydney", "Asia/Kolkata", "Asia/Kathmandu", "America/Sao_Paulo", "America/New_York",
            "America/Los_Angeles", "Pacific/Honolulu", "Asia/Tokyo", "Europe/London", "Africa/Cairo")  # fmt: skip


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2026-02-28T23:00:00Z", "2026-03-01"),  # chosen in Berlin
        ("2026-02-28T13:00:00Z", "2026-03-01"),  # in Sydney
        ("2026-02-28T18:30:00Z", "2026-03-01"),  # in Mumbai
        ("2026-03-01T08:00:00Z", "2026-03-01"),  # in Los Angeles
        ("2026-03-01T10:00:00Z", "2026-03-01"),  # in Honolulu
        ("2026-03-01T00:00:00Z", "2026-03-01"),  # in London, or no zone at all
        ("2026-03-01", "2026-03-01"),  # a column of behaviour DateOnly
        ("2026-07-31T12:00:00Z", "2026-08-01"),  # in Auckland's winter, seen from Berlin's summer
        ("2026-02-28T13:17:00Z", "2026-03-01"),  # no midnight anywhere: the nearest
        ("2026-02-28T23:00:00", "2026-03-01"),  # without an offset it is UTC
        ("2026-03-01T00:00:00+01:00", "2026-03-01"),
    ],
)
def test_the_day_is_the_one_that_the_person_chose(text: str, day: str) -> None:
    assert day_meant(text, BERLIN) == date.fromisoformat(day)


def test_what_lies_half_way_is_not_decided_until_the_zone_is_named() -> None:
    auckland = "2026-02-28T11:00:00Z"
    with pytest.raises(
        Undecidable, match=r"2026-02-28 or of 2026-03-01: name the time zone .*DATAVERSE_USER_TIME_ZONES"
    ):
        day_meant(auckland, BERLIN)
    with pytest.raises(Undecidable):  # New Zealand's summer and American Samoa, seen from Greenwich
        day_meant(auckland, Zones(ZoneInfo("UTC")))
    named = Zones(BERLIN.home, (ZoneInfo("Pacific/Auckland"),))
    assert day_meant(auckland, named) == date(2026, 3, 1)
    assert is_midnight(auckland, named)
    assert not is_midnight(auckland, BERLIN)


def test_two_named_zones_that_contradict_each_other_decide_nothing() -> None:
    both = Zones(BERLIN.home, (ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Honolulu")))
    assert day_meant("2026-03-01T10:00:00Z", both) == date(2026, 3, 1)
    assert not is_midnight("2026-03-01T10:00:00Z", both)


def test_where_the_clocks_go_forward_at_midnight_the_day_begins_at_one() -> None:
    cairo = Zones(ZoneInfo("Africa/Cairo"))
    assert is_midnight("2026-04-23T22:00:00Z", cairo)
    assert day_meant("2026-04-23T22:00:00Z", cairo) == date(2026, 4, 24)


@given(
    day=st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    chosen_in=st.sampled_from(ANYWHERE),
    home=st.sampled_from(["Europe/Berlin", "America/New_York", "America/Los_Angeles", "Asia/Kolkata"]),
)
def test_wherever_the_person_sat_the_day_arrives_or_is_not_decided(day: date, chosen_in: str, home: str) -> None:
    text = datetime.combine(day, time(), ZoneInfo(chosen_in)).astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
    try:
        assert day_meant(text, Zones(ZoneInfo(home))) == day
    except Undecidable:
        assert day_meant(text, Zones(ZoneInfo(home), (ZoneInfo(chosen_in),))) == day


def test_a_column_that_carries_a_time_is_not_rounded() -> None:
    table_map = load_map(ACTUALS)
    start = next(pair for pair in table_map.outgoing if pair.target == "STARTDATE")
    assert start.write({"msdyn_startdatetime": "2026-02-28T18:30:00Z"}, BERLIN) == "2026-02-28"


def _tally(instants: list[str], zones: Zones) -> DayTally:
    table_map, tally = load_map(ACTUALS), DayTally()
    for instant in instants:
        tally.add(table_map.days_in_doubt({"msdyn_accountingdate": instant}, zones))
    return tally


def test_a_tenant_whose_days_are_no_midnights_is_asked_for_its_zone() -> None:
    utc = Zones(ZoneInfo("UTC"))
    with pytest.raises(
        NeedsAttention, match=r"964 of 964 rows .* not a midnight in UTC, e.g. ACCOUNTINGDATE 2026-06-29T22"
    ):
        _tally(["2026-06-29T22:00:00Z"] * 964, utc).check(utc)
    some = _tally(["2026-06-29T22:00:00Z"] * 9 + ["2026-06-29T18:30:00Z"], BERLIN)
    some.check(BERLIN)
    assert (some.rows, some.doubtful) == (10, 1)


def test_a_zone_free_column_beside_it_counts_and_what_it_contradicts_is_in_doubt() -> None:
    raw = load_map(ACTUALS).model_dump()
    pair = next(each for each in raw["fields"] if each["target"] == "ACCOUNTINGDATE")
    pair["transform"]["zoneFree"] = "msdyn_tzaaccountingdate"
    table_map = type(load_map(ACTUALS)).model_validate(raw)
    assert "msdyn_tzaaccountingdate" in table_map.query["$select"]
    row = {"msdyn_accountingdate": "2026-06-29T22:00:00Z", "msdyn_tzaaccountingdate": "2026-06-29"}
    column = next(each for each in table_map.outgoing if each.target == "ACCOUNTINGDATE")
    assert column.write(row, BERLIN) == "2026-06-29"
    assert table_map.days_in_doubt(row, BERLIN)
    assert not table_map.days_in_doubt({**row, "msdyn_tzaaccountingdate": "2026-06-30"}, BERLIN)
    assert not table_map.days_in_doubt({**row, "msdyn_tzaaccountingdate": None}, BERLIN)


@pytest.mark.parametrize(
    ("text", "day", "doubtful"),
    [
        ("2026-03-01", "2026-03-01", False),
        ("2026-03-01T00:00:00Z", "2026-03-01", False),
        ("2026-02-28T23:00:00Z", "2026-03-01", True),  # the column keeps instants after all, this one chosen in Berlin
        ("2026-02-28T13:17:00Z", "2026-02-28", True),  # a time that no zone moves
    ],
)
def test_a_zone_free_date_stands_as_it_is_and_an_instant_among_them_is_counted(
    text: str, day: str, *, doubtful: bool
) -> None:
    table_map = load_map(ACTUALS)
    column = next(pair for pair in table_map.outgoing if pair.target == "DOCUMENTDATE")
    row = {"msdyn_transactiondate": text}
    assert column.write(row, BERLIN) == day
    assert bool(table_map.days_in_doubt(row, BERLIN)) is doubtful


@pytest.mark.parametrize("value", ["", "tomorrow", 7, "9999-12-31T23:59:59Z"])
def test_a_column_that_holds_no_instant_is_in_doubt_while_another_says_the_day(value: object) -> None:
    content = load_map(ACTUALS).model_dump(mode="json")
    pair = next(each for each in content["fields"] if each["target"] == "ACCOUNTINGDATE")
    pair["transform"] = {"kind": "localDay", "zoneFree": "msdyn_tzaaccountingdate"}
    table_map, auckland = TableMap.model_validate(content), Zones(ZoneInfo("Pacific/Auckland"))
    row = {"msdyn_accountingdate": value, "msdyn_tzaaccountingdate": "2026-06-30"}
    [write] = [each.write for each in table_map.outgoing if each.target == "ACCOUNTINGDATE"]
    assert write(row, auckland) == "2026-06-30"
    assert table_map.days_in_doubt(row, auckland) == [f"ACCOUNTINGDATE {value}"]


@pytest.mark.parametrize("kind", ["localDay", "localDate", "date"])
def test_an_instant_beyond_the_calendar_refuses_its_row(kind: str) -> None:
    pair = FieldPair.model_validate(
        {"target": "DAY", "source": "day", "direction": "toFinance", "transform": {"kind": kind}}
    )
    with pytest.raises(RowRefused, match="DAY from day"):
        pair.write(
            {"day": "9999-12-31T23:59:59Z"}, Zones(ZoneInfo("Pacific/Auckland"), (ZoneInfo("Pacific/Auckland"),))
        )
