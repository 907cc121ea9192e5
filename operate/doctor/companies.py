"""The companies that the maps carry, and whether both sides have them."""

from collections.abc import Sequence

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.integration import integration_switches
from operate.doctor.onlooker import Unseen
from operate.doctor.visit import Visit
from shared.maps.table_map import TableMap
from shared.services.odata import all_of, quote_text

TABLE = "cdm_companies"
"""Dual-write's table of companies, at which the company path of a map ends."""


async def companies(visit: Visit) -> list[str]:
    """The codes, in small letters, of the companies in Dataverse whose rows the maps carry; of all companies if there
    are no such rows yet. Raises the errors of reading."""
    known = await _in_dataverse(visit)
    return [code for code in known if await _is_met(visit, code)] or known


def _by_company(visit: Visit) -> list[TableMap]:
    """The maps whose rows have a company, in the sequence of the job."""
    return [each for each in map(visit.maps.get, visit.job.maps) if each and "." in (each.company or "")]


async def _in_dataverse(visit: Visit) -> list[str]:
    maps = _by_company(visit)
    if not maps:
        return []
    column = str(maps[0].company).rpartition(".")[2]
    rows = await visit.dataverse.read(TABLE, {"$select": column})
    return sorted({str(row[column]).lower() for row in rows if row.get(column)})


async def _is_met(visit: Visit, code: str) -> bool:
    for each in _by_company(visit):
        path = str(each.company).replace(".", "/")
        condition = all_of(each.source.filter, f"{path} eq {quote_text(code)}")
        options = {"$select": each.source.key, "$filter": condition, "$top": "1"}
        if await visit.dataverse.read(each.source.set, options):
            return True
    return False


async def look_at_companies(visit: Visit) -> Sequence[Finding]:
    """Each company of Dataverse that the maps meet is a legal entity in Finance, and each legal entity with the
    integration of Project Operations is a company in Dataverse."""
    rows = await visit.finance.read("LegalEntities", {"$select": "LegalEntityId"})
    # Finance writes the codes in capitals here, and in small letters in its rows.
    entities = {str(row["LegalEntityId"]).lower() for row in rows}
    carried, known = await companies(visit), await _in_dataverse(visit)
    alone = [code for code in await _integrated(visit) if code not in known]
    return [*(_in_finance(code, code in entities) for code in carried), *map(_not_in_dataverse, alone)]


async def _integrated(visit: Visit) -> list[str]:
    """The legal entities with the integration of Project Operations; none if the app's user may not see them."""
    try:
        switches = await integration_switches(visit)
    except Unseen:
        # The check of the switches themselves says so.
        return []
    return sorted(code for code, on in switches.items() if on)


def _in_finance(code: str, is_there: bool) -> Finding:
    expected = f"{code} is a company in Dataverse and a legal entity in Finance"
    if is_there:
        return Finding(Verdict.OK, "both sides have it", expected, about=code)
    seen = f"Dataverse has the company {code}; Finance shows no such legal entity"
    step = f"Make the legal entity {code} in Finance, or correct the company's code in Dataverse"
    return Finding(Verdict.FAIL, seen, expected, step, code)


def _not_in_dataverse(code: str) -> Finding:
    expected = f"{code} is a company in Dataverse and a legal entity in Finance"
    seen = f"Finance integrates the legal entity {code} with Project Operations; Dataverse has no such company"
    step = f"Run dual-write's map of companies for {code}, or switch its integration off in Finance"
    return Finding(Verdict.WARN, seen, expected, step, code)


CHECKS = (Check("companies", "Companies on both sides", "finance", look_at_companies),)
