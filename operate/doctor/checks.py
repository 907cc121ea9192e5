"""All checks, in the order in which they are made and shown."""

from operate.doctor import (
    app_checks,
    column_checks,
    companies,
    data_projects,
    finance_access,
    finance_entities,
    finance_setup,
    project_checks,
    reach_checks,
    user_checks,
    value_checks,
)
from operate.doctor.check import Check

CHECKS: tuple[Check, ...] = (
    *reach_checks.CHECKS,
    *user_checks.CHECKS,
    *project_checks.CHECKS,
    *finance_access.CHECKS,
    *finance_setup.CHECKS,
    *finance_entities.CHECKS,
    *data_projects.CHECKS,
    *companies.CHECKS,
    *column_checks.CHECKS,
    *value_checks.CHECKS,
    *app_checks.CHECKS,
)
