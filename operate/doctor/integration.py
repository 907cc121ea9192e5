"""The parameters of Project Operations in Finance."""

from operate.doctor.visit import Visit

INTEGRATION = "ProjectOperationsIntegrationFeatureStatus"


async def integration_switches(visit: Visit) -> dict[str, bool]:
    """Whether the integration of Project Operations is on, by company code in small letters. Raises the errors of
    reading."""
    rows = await visit.finance.read("ProjectParameterV2", {"$select": f"dataAreaId,{INTEGRATION}"})
    return {str(row["dataAreaId"]).lower(): row[INTEGRATION] == "Yes" for row in rows}
