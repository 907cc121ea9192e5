"""Finance's projects of dual-write, with the secrets that they show to those who do not choose columns."""

from typing import Any

from tests.simulators.finance.client import Finance

PROJECTS = "DualWriteProjectConfigurations"


async def _rows(finance: Finance, name: str, select: str = "") -> list[dict[str, Any]]:
    options = f"?$select={select}&cross-company=true" if select else "?cross-company=true"
    return list((await finance.get(f"/data/{name}{options}"))["value"])


async def test_projects_show_connection_strings_unless_columns_are_chosen(finance: Finance) -> None:
    shown = await _rows(finance, PROJECTS)
    assert all("ClientSecret" in row["ExternalConnectionString"] for row in shown)
    chosen = await _rows(finance, PROJECTS, "ProjectName,Status,ExternalEntityName")
    assert {row["ExternalEntityName"]: row["Status"] for row in chosen} == {
        "invoices": "Disabled",
        "msdyn_actuals": "Disabled",
        "msdyn_transactionconnections": "Disabled",
    }
    assert not any("ClientSecret" in str(row) for row in chosen)


async def test_a_project_has_a_status_and_companies(finance: Finance) -> None:
    await finance.switch(dualWrite={"msdyn_actuals": "Enabled"})
    [row] = await _rows(finance, PROJECTS, "Status,InternalEntityName")
    assert (row["Status"], row["InternalEntityName"]) == ("Enabled", "Project Operations integration actuals")
    companies = await _rows(finance, "DualWriteProjectPartitionMappings", "ExternalCompanyName,InternalCompanyName")
    assert ("USMF", "usmf") in {(row["ExternalCompanyName"], row["InternalCompanyName"]) for row in companies}
    standard = dict.fromkeys(("invoices", "msdyn_actuals", "msdyn_transactionconnections"), "Disabled")
    await finance.switch(dualWrite=standard)
