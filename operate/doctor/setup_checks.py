"""How Finance is set up for the maps' companies: its version, the integration of Project Operations, and the number
sequence of invoice proposals.
"""

import re
from collections.abc import Sequence

from operate.doctor.check import Check, Finding, Verdict
from operate.doctor.companies import companies
from operate.doctor.integration import integration_switches
from operate.doctor.visit import Visit
from shared.maps.transforms import Row
from shared.project_operations.proposal_number import PROPOSAL
from shared.services.odata import quote_text

_RELEASE = re.compile(r"10\.0\.(?P<number>\d{1,3})")
_VERSION = re.compile(r"\d+\.\d+")
_LIMITS_ENDED = 36
"""Up to 10.0.35 Finance could limit the requests of one user. Source: service protection API limits."""
# Source: Microsoft, Configure Project Operations per legal entity.
_GLOBAL_PARAMETERS = "Project management and accounting > Setup > Global project management and accounting parameters"
_PARAMETERS = "Project management and accounting > Setup > Project management and accounting parameters"
_DATA_TYPE = "ProjProposalId"


async def look_at_version(visit: Visit) -> Finding:
    """Finance is new enough not to limit the requests of one user."""
    version = str(await visit.finance.call("DataManagementEntities", "GetApplicationVersion"))
    expected = f"10.0.{_LIMITS_ENDED} or newer: older ones may limit the requests of one user"
    if not _VERSION.match(version):
        step = "Compare it yourself: Finance > Settings > About"
        return Finding(Verdict.UNKNOWN, f"Finance says {version!r}, which is no version", expected, step)
    release = _RELEASE.fullmatch(version)
    if release and int(release["number"]) < _LIMITS_ENDED:
        step = "Update Finance, or set FINANCE_CONCURRENCY to 4 and watch relay health for waits"
        return Finding(Verdict.WARN, f"application version {version}", expected, step)
    return Finding(Verdict.OK, f"application version {version}", expected)


async def look_at_integration(visit: Visit) -> Sequence[Finding]:
    """The integration of Project Operations is on in each company."""
    switches = await integration_switches(visit)
    return [_switch(code, switches.get(code)) for code in await companies(visit)]


def _switch(code: str, on: bool | None) -> Finding:
    expected = f"the integration of Project Operations is on in {code}"
    if on:
        return Finding(Verdict.OK, "it is on", expected, about=code)
    step = f"{_GLOBAL_PARAMETERS}: select {code}. Finance takes a legal entity there only before its first project"
    seen = "it is off" if on is not None else f"Finance shows no project parameters of {code}"
    return Finding(Verdict.FAIL, seen, expected, step, code)


async def look_at_number_sequences(visit: Visit) -> Sequence[Finding]:
    """Where a map writes proposals by the invoice's number, Finance's sequence lets their numbers be changed."""
    if not any(PROPOSAL in each.integrationKey for each in visit.maps.values()):
        return [Finding(Verdict.OK, "no map writes proposals by a number of Dataverse", "nothing to check")]
    return [await _sequence(visit, code) for code in await companies(visit)]


async def _sequence(visit: Visit, code: str) -> Finding:
    scope = f"ScopeValue eq {quote_text(code)}"
    options = {"$filter": scope, "$select": "DataTypeName,NumberSequenceCode"}
    references = await visit.finance.read("NumberSequencesV2References", options)
    numbers = _of_proposals(references)
    if len(numbers) != 1:
        return _undecided(code, numbers)
    # The same code may exist in another scope. The key cannot be read: it has an enum, which is answered with 404.
    options = {
        "$filter": f"NumberSequenceCode eq {quote_text(numbers[0])} and {scope}",
        "$select": "ToALowerNumber,ToAHigherNumber,Stopped",
    }
    rows = await visit.finance.read("SequenceV2Tables", options)
    return _flags(code, numbers[0], rows[0]) if rows else _undecided(code, [])


def _of_proposals(references: Sequence[Row]) -> list[str]:
    """The codes of the sequences of invoice proposals. The name of their data type is not published."""
    exact = {str(row["NumberSequenceCode"]) for row in references if row["DataTypeName"] == _DATA_TYPE}
    names = ((str(row["DataTypeName"]).lower(), str(row["NumberSequenceCode"])) for row in references)
    return sorted(exact or {number for name, number in names if name.startswith("proj") and "proposal" in name})


def _expected(code: str) -> str:
    return f"the number sequence of invoice proposals in {code} allows changes to lower and to higher numbers"


def _undecided(code: str, numbers: Sequence[str]) -> Finding:
    seen = (
        f"it may be {' or '.join(numbers)}" if numbers else f"Finance shows no sequence of invoice proposals for {code}"
    )
    step = f"In the company {code}: {_PARAMETERS} > Number sequences, and look at the sequence of Invoice proposal"
    return Finding(Verdict.UNKNOWN, seen, _expected(code), step, code)


def _flags(code: str, number: str, row: Row) -> Finding:
    lacking = [
        words
        for column, wanted, words in (
            ("ToALowerNumber", "Yes", "changes to a lower number are not allowed"),
            ("ToAHigherNumber", "Yes", "changes to a higher number are not allowed"),
            ("Stopped", "No", "it is stopped"),
        )
        if row[column] != wanted
    ]
    if not lacking:
        return Finding(
            Verdict.OK, f"sequence {number} allows changes to lower and to higher numbers", _expected(code), about=code
        )
    step = f"Organization administration > Number sequences > Number sequences > {number} of {code}: correct it there"
    return Finding(Verdict.FAIL, f"sequence {number}: {', '.join(lacking)}", _expected(code), step, code)


CHECKS = (
    Check("finance-version", "Version of Finance", "finance", look_at_version),
    Check("finance-integration", "Integration of Project Operations in Finance", "finance", look_at_integration),
    Check("number-sequences", "Number sequences of invoice proposals", "finance", look_at_number_sequences),
)
