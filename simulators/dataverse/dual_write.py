"""Dual-write's own tables: the saved versions of its maps, and what the runtime reads of those that run.

Sources: reference tenant.md B.6 and D.1, field maps project-operations.md 5.3 to 5.5. Every saved version is a row,
and drafts are parked under a high version. A row of the runtime exists only while a map runs with Dataverse as source,
and there source and destination of each field are swapped. Directions are numbers in some places and texts in others.
"""

import json
from dataclasses import dataclass
from typing import Any

from simulators.dataverse.events import SqlValue
from simulators.dataverse.store import Writer, guid_text
from simulators.dataverse.switches import Switches, listed
from simulators.dataverse.values import now_text

NAMES = frozenset({"dualWriteRunning", "dualWriteRunningVersion", "dualWriteEncodedTwice"})
"""The switches that the rows depend on."""
TABLES = ("msdyn_dualwriteentitymap", "msdyn_dualwriteruntimeconfig")
"""The tables that an environment without dual-write does not have."""

PARKED = "9.9.9.9"
_PREFIX = "msdyn_dualwritemaps"

type Field = dict[str, Any]


@dataclass(frozen=True)
class Map:
    """A map: Finance's label, Dataverse's set, the saved versions (the first one runs), filter and fields."""

    label: str
    entity_set: str
    versions: tuple[str, ...]
    filter: str
    fields: tuple[Field, ...]

    @property
    def name(self) -> str:
        return f"{_PREFIX}_[{self.entity_set} - {self.label}]"


def _field(target: str, source: str, direction: object = 2, *transforms: Field, related: str = "") -> Field:
    field: Field = {
        "syncDirection": direction,
        "sourceField": target,
        "destinationField": source,
        "valueTransforms": list(transforms),
        "isSystemGenerated": False,
    }
    return field | ({"destinationLookupFieldRelatedEntity": related} if related else {})


def _values(**values: str) -> Field:
    return {"transformType": "ValueMap", "createValuesOnDestination": False, "valueMap": values}


def _default(value: str) -> Field:
    return {"transformType": "Default", "defaultValue": value}


_RULE = "msdyn_projectcontractsplitbillingrule"
ACTUALS = Map(
    label="Project Operations integration actuals",
    entity_set="msdyn_actuals",
    versions=("1.0.0.16", "1.0.0.3", PARKED),
    # Numbers in quotes, and a lookup by its logical name: both occur.
    filter=(
        "(msdyn_transactiontypecode eq '192350000' and msdyn_project ne null) "
        "or msdyn_transactiontypecode eq '192350006' "
        "or (msdyn_transactiontypecode eq '192350005' and msdyn_istransition ne 'true')"
    ),
    fields=(
        _field("ACTUALSIMPORTID", "msdyn_actualimportid", "3"),
        _field("ACTUALID", "msdyn_actualid"),
        _field("ACCOUNTINGDATE", "msdyn_accountingdate"),
        _field("ADJUSTMENTSTATUS", "msdyn_adjustmentstatus"),
        _field("AMOUNT", "msdyn_amount"),
        _field("BILLINGSTATUSID", "msdyn_billingstatus"),
        _field(
            "BILLINGTYPE",
            "msdyn_billingtype",
            "2",
            _values(
                nonChargeable="192350000",
                chargeable="192350001",
                complimentary="192350002",
                notAvailable="192350003",
            ),
            # What an empty column becomes. Dual-write knows two transforms of one field.
            _default("notAvailable"),
        ),
        _field("BOOKABLERESOURCENAME", "msdyn_nameofbookableresource"),
        _field("CONTRACTID", f"{_RULE}.msdyn_projectcontractid.msdyn_salesordernumber", related="salesorders"),
        _field("DESCRIPTION", "msdyn_description"),
        _field("DOCUMENTDATE", "msdyn_transactiondate"),
        _field("STARTDATE", "msdyn_startdatetime"),
        _field("ENDDATE", "msdyn_enddatetime"),
        _field("EXTERNALDESCRIPTION", "msdyn_externaldescription"),
        _field("EXTERNALREFERENCE", "msdyn_externalreferenceid"),
        _field("FUNDINGSOURCE", f"{_RULE}.msdyn_projectcontractsplitbillingrulenumber"),
        _field("INVOICEPROPOSALID", "msdyn_invoice.msdyn_invoicenumber", related="invoices"),
        _field("ISJOURNALIZED", "msdyn_isjournalized", 2, _values(yes="True", no="False")),
        _field("PRODUCTNUMBER", "msdyn_product.msdyn_productnumber", related="products"),
        _field("PROJECTID", "msdyn_project.msdyn_projectnumber", "2", related="msdyn_projects"),
        _field("PROJECTDATAAREAID", "msdyn_project.msdyn_owningcompany.cdm_companycode", related="cdm_companies"),
        _field("QUANTITY", "msdyn_quantity"),
        _field("UNITPRICE", "msdyn_price"),
        _field("STATUS", "statecode"),
        _field("STATUSREASON", "statuscode"),
        _field("TRANSACTIONCATEGORYID", "msdyn_transactioncategory.msdyn_transactioncategorynumber"),
        _field("TRANSACTIONCLASSIFICATION", "msdyn_transactionclassification"),
        _field("TRANSACTIONCURRENCYID", "transactioncurrencyid.isocurrencycode", related="transactioncurrencies"),
        _field(
            "TRANSACTIONTYPE",
            "msdyn_transactiontypecode",
            2,
            _values(cost="192350000", sales="192350005", billedSales="192350006"),
        ),
        _field("UNITOFMEASURE", "msdyn_unit.msdyn_symbol"),
        _field("TASKNUMBER", "msdyn_task.msdyn_activitynumber"),
        _field("CONTRACTLINEID", "msdyn_valueofsalescontractline"),
        _field("EXTERNALORIGINREFERENCE", "msdyn_externaloriginreference"),
        _field("EXCHANGERATE", "msdyn_accountexchangerate", 1),
        _field("VOUCHERNUMBER", "msdyn_vouchernumber", "1"),
        _field("SALESTAXAMOUNT", "msdyn_accountingtaxamount", 3),
        _field("ACCOUNTINGAMOUNT", "msdyn_accountingamount", 1),
        # The tenant's own: a column that only Finance has, a customer over a lookup, and what dual-write adds itself.
        _field("PROJACTUALSIMPORTSYNC", "", 2, _default("yes")),
        _field("CUSTOMERACCOUNTNUMBER", "msdyn_accountcustomer.accountnumber", 2, related="accounts"),
        _field("DATAAREAID", "msdyn_owningcompany.cdm_companycode", 3) | {"isSystemGenerated": True},
    ),
)
INVOICES = Map(
    label="Project invoice proposal V2",
    entity_set="invoices",
    versions=("1.0.0.3", "1.0.0.0"),
    filter="msdyn_ordertype eq '192350001' and msdyn_projectinvoicestatus ne '192350000' and "
    "msdyn_projectinvoicestatus ne '192350001'",
    fields=(
        _field("INVOICEPROPOSALID", "msdyn_invoicenumber"),
        _field("PROJECTCONTRACTID", "salesorderid.msdyn_salesordernumber", related="salesorders"),
        _field("FUNDINGSOURCEID", f"{_RULE}.msdyn_projectcontractsplitbillingrulenumber"),
        _field("SALESCURRENCY", "transactioncurrencyid.isocurrencycode", "2", related="transactioncurrencies"),
        _field("INVOICEDATE", "msdyn_invoicedate"),
        _field("PAYMENTTERMS", "msdyn_paymentterms.msdyn_name"),
        _field("INVOICEHEADERTEXT", "name"),
    ),
)
CONNECTIONS = Map(
    label="Integration entity for project transaction relationships",
    entity_set="msdyn_transactionconnections",
    versions=("1.0.0.1", "1.0.0.0"),
    filter="",
    fields=(
        _field("CONNECTIONID", "msdyn_transactionconnectionid"),
        *(
            _field(f"TRANSACTION{end}{part}", f"msdyn_transaction{end}{column}")
            for end in (1, 2)
            for part, column in (("ID", ""), ("ROLE", "role"), ("TYPE", "type"))
        ),
    ),
)
MAPS = (INVOICES, ACTUALS, CONNECTIONS)


def settle(writer: Writer, switches: Switches) -> None:
    """Write the rows as the switches want them."""
    for table in TABLES:
        writer.connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 - our own names
    standard: dict[str, SqlValue] = {"createdon": (now := now_text()), "modifiedon": now, "statecode": 0}
    standard["statuscode"] = 1
    number = 0
    for each in MAPS:
        for version in each.versions:
            number += 1
            writer.insert(
                TABLES[0], {**standard, f"{TABLES[0]}id": guid_text(number), **_saved(each, version, switches)}
            )
    for place, each in enumerate(MAPS):
        if each.entity_set in listed(switches.dualWriteRunning):
            text = _encoded(_runtime(each, switches), switches)
            text = text[: len(text) // 2] if switches.dualWriteRuntimeCut else text
            row: dict[str, SqlValue] = {f"{TABLES[1]}id": guid_text(900 + place), "msdyn_name": each.label}
            writer.insert(TABLES[1], {**standard, **row, "msdyn_unsecure": text})


def _saved(each: Map, version: str, switches: Switches) -> dict[str, SqlValue]:
    mapping = {
        "name": f"{each.label} - {each.entity_set}",
        "leftEnvironmentType": "AX",
        "centerEnvironmentType": "CRM",
        "rightEnvironmentType": "UNDEFINED",
        "legs": [
            {
                "id": "001",
                "sourceEnvironmentType": "AX",
                "sourceSchema": each.label,
                "sourceFilter": "",
                "destinationEnvironmentType": "CRM",
                "destinationSchema": each.entity_set,
                "reversedSourceFilter": each.filter,
                "fieldMappings": list(_fields_of(each, version)),
            }
        ],
    }
    return {
        "msdyn_name": each.name,
        "msdyn_displayname": each.label,
        "msdyn_version": version,
        "msdyn_mapping": _encoded(mapping, switches),
        "msdyn_properties": json.dumps({"IsDualWriteProject": True, "SkipInitialSync": False}),
        "ismanaged": int(version != PARKED),
    }


def _fields_of(each: Map, version: str) -> tuple[Field, ...]:
    """The fields of a version. Before 1.0.0.16 the day of an actual came from another column; a draft is unfinished."""
    if version == PARKED:
        return each.fields[: len(each.fields) // 2]
    if each is ACTUALS and version != each.versions[0]:
        return tuple(
            field | {"destinationField": "msdyn_documentdate"} if field["sourceField"] == "DOCUMENTDATE" else field
            for field in each.fields
        )
    return each.fields


def _runtime(each: Map, switches: Switches) -> dict[str, Any]:
    major, minor, build, revision = map(int, (switches.dualWriteRunningVersion or each.versions[0]).split("."))
    return {
        "ProjectId": guid_text(700 + MAPS.index(each)),
        "SourceEntityName": each.entity_set,
        "SourceEnvironmentType": 1,
        "DestinationEntityName": each.label,
        "DestinationEnvironmentType": 3,
        "EntityMapVersion": {"Major": major, "Minor": minor, "Build": build, "Revision": revision},
        "FieldMappings": [
            {"SourceField": field["destinationField"], "DestinationField": field["sourceField"]}
            for field in each.fields
            if str(field["syncDirection"]) != "1"
        ],
    }


def _encoded(content: dict[str, Any], switches: Switches) -> str:
    text = json.dumps(content)
    return json.dumps(text) if switches.dualWriteEncodedTwice else text
