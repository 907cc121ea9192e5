"""The rows that a new organization contains."""

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from uuid import NAMESPACE_URL, UUID, uuid5

from simulators.dataverse.events import SqlValue
from simulators.dataverse.store import Writer, guid_text
from simulators.dataverse.values import now_text

COMPANIES = {
    "usmf": ("Contoso Entertainment System USA", "USD"),
    "demf": ("Contoso Entertainment Systems Germany", "EUR"),
}
RESOURCES = ("Müller, Jürgen", 'Anna "Nan" O\'Neill', "李 小龍", "Łukasz Żółć", "Sam Smith")
CATEGORIES = {
    "Time": "CAT-HOURS",
    "Travel, air": "CAT-FLIGHT",
    "Hotel": "CAT-HOTEL",
    "Material": "CAT-ITEM",
    'Fee "flat"': "CAT-FEE",
}
PRODUCTS = {"Cable 3x1.5 mm²": "D0001", "Sensor, outdoor": "D0002", 'Panel 19"': "D0003"}
UNITS = {"Hour": "hr", "Each": "ea", "Meter": "m"}
# Codes and names as Windows and Dataverse have them; 92 is UTC.
TIME_ZONES = {
    2: ("Hawaiian Standard Time", "(GMT-10:00) Hawaii", 600),
    4: ("Pacific Standard Time", "(GMT-08:00) Pacific Time (US & Canada)", 480),
    20: ("Central Standard Time", "(GMT-06:00) Central Time (US & Canada)", 360),
    35: ("Eastern Standard Time", "(GMT-05:00) Eastern Time (US & Canada)", 300),
    85: ("GMT Standard Time", "(GMT+00:00) Dublin, Edinburgh, Lisbon, London", 0),
    92: ("UTC", "(GMT) Coordinated Universal Time", 0),
    95: ("Central Europe Standard Time", "(GMT+01:00) Belgrade, Bratislava, Budapest", -60),
    105: ("Romance Standard Time", "(GMT+01:00) Brussels, Copenhagen, Madrid, Paris", -60),
    110: ("W. Europe Standard Time", "(GMT+01:00) Amsterdam, Berlin, Bern, Rome", -60),
    190: ("India Standard Time", "(GMT+05:30) Chennai, Kolkata, Mumbai, New Delhi", -330),
    235: ("Tokyo Standard Time", "(GMT+09:00) Osaka, Sapporo, Tokyo", -540),
}
MESSAGES = ("Create", "Update", "Delete", "CreateMultiple", "UpdateMultiple", "UpsertMultiple")


@dataclass(frozen=True)
class Base:
    """The ids of the organization's base rows, by name. They are the same in every organization."""

    companies: dict[str, str]
    currencies: dict[str, str]
    resources: dict[str, str]
    categories: dict[str, str]
    products: dict[str, str]
    units: dict[str, str]
    roles: dict[str, str]
    organizational_units: dict[str, str]
    payment_terms: dict[str, str]


def base_rows() -> Base:
    """Return the ids; computing them needs no database."""
    numbers = random.Random("base rows")  # noqa: S311 - reproducible ids, no secrets

    def ids(names: object) -> dict[str, str]:
        return {name: guid_text(numbers.getrandbits(128)) for name in names}  # type: ignore[attr-defined]

    return Base(
        companies=ids(COMPANIES),
        currencies=ids(("USD", "EUR")),
        resources=ids(RESOURCES),
        categories=ids(CATEGORIES),
        products=ids(PRODUCTS),
        units=ids(UNITS),
        roles=ids(("Consultant", "Engineer")),
        organizational_units=ids(("Contoso US", "Contoso DE")),
        payment_terms=ids(("Net30", "Net60")),
    )


def found_organization(writer: Writer, organization_id: str, name: str) -> None:
    """Write the base rows, once per database."""
    if writer.connection.execute("SELECT 1 FROM organization").fetchone():
        return
    base = base_rows()
    add = _adder(writer)
    add("organization", organization_id, name=name, localeid=1033)
    add("businessunit", business_unit(organization_id), name=name)
    for zone, (standard, shown, bias) in TIME_ZONES.items():
        add("timezonedefinition", guid_text(zone), standardname=standard, userinterfacename=shown, timezonecode=zone,
            bias=bias)  # fmt: skip
    for code, (company, _) in COMPANIES.items():
        add("cdm_company", base.companies[code], cdm_companycode=code, cdm_name=company)
    for iso, symbol, rate in (("USD", "$", 10_000_000_000), ("EUR", "€", 9_200_000_000)):
        add("transactioncurrency", base.currencies[iso], currencyname=iso, isocurrencycode=iso, currencysymbol=symbol,
            currencyprecision=4, exchangerate=rate)  # fmt: skip
    _catalog(add, base)
    # The ids of messages and filters differ from one environment to the other.
    for message in MESSAGES:
        add("sdkmessage", str(uuid5(UUID(organization_id), message)), name=message)
    align_message_filters(writer, ())


def _catalog(add: Callable[..., None], base: Base) -> None:
    for resource, key in base.resources.items():
        add("bookableresource", key, name=resource)
    for category, key in base.categories.items():
        add("msdyn_transactioncategory", key, msdyn_name=category, msdyn_transactioncategorynumber=CATEGORIES[category])
    for product, key in base.products.items():
        add("product", key, name=product, productnumber=PRODUCTS[product], msdyn_productnumber=PRODUCTS[product])
    for unit, key in base.units.items():
        add("uom", key, name=unit, msdyn_symbol=UNITS[unit])
    for role, key in base.roles.items():
        add("bookableresourcecategory", key, name=role)
    for unit, key in base.organizational_units.items():
        add("msdyn_organizationalunit", key, msdyn_name=unit)
    for term, key in base.payment_terms.items():
        add("msdyn_paymentterm", key, msdyn_name=term, msdyn_description=f"{term} days", msdyn_company=None)


def align_message_filters(writer: Writer, unsupported: Collection[str]) -> None:
    """Set which messages exist for which tables. The `unsupported` tables have no bulk messages."""
    add = _adder(writer)
    messages = writer.connection.execute("SELECT name, sdkmessageid FROM sdkmessage").fetchall()
    writer.connection.execute("DELETE FROM sdkmessagefilter")
    for table in writer.schema.tables:
        for message, key in messages:
            filter_id = str(uuid5(UUID(key), table))
            if table not in unsupported or not message.endswith("Multiple"):
                add("sdkmessagefilter", filter_id, primaryobjecttypecode=table, sdkmessageid=key)


def welcome_users(writer: Writer, clients: Collection[str], people: Collection[str] = ()) -> None:
    """Create the users: the platform's own, the application users, and people by their object id in Entra. Users of
    earlier runs are kept."""
    add = _adder(writer)
    known = {row[0] for row in writer.connection.execute("SELECT systemuserid FROM systemuser")}
    # An organization that was recorded with an earlier release has none.
    unit = (writer.connection.execute("SELECT businessunitid FROM businessunit").fetchone() or (None,))[0]
    for client in ("", *clients):
        if user_id(client) not in known:
            name = f"# {client}" if client else "SYSTEM"
            add("systemuser", user_id(client), fullname=name, applicationid=client or None, isdisabled=0, accessmode=4,
                azureactivedirectoryobjectid=str(uuid5(NAMESPACE_URL, f"object:{client}")),
                businessunitid=unit)  # fmt: skip
    for person in people:
        if user_id(person) not in known:
            add("systemuser", user_id(person), fullname=person, azureactivedirectoryobjectid=person, isdisabled=0,
                accessmode=0, businessunitid=unit)  # fmt: skip


def user_id(client_id: str) -> str:
    """Return the systemuserid of an application user."""
    return str(uuid5(NAMESPACE_URL, f"user:{client_id}"))


def business_unit(organization_id: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"business unit:{organization_id}"))


def _adder(writer: Writer) -> Callable[..., None]:
    now = now_text()

    def add(table: str, key: str, **values: SqlValue) -> None:
        standard: dict[str, SqlValue] = {writer.schema.tables[table].key: key, "createdon": now, "modifiedon": now}
        writer.insert(table, standard | {"statecode": 0, "statuscode": 1} | values)

    return add
