"""All checks, in the order in which they are made and shown."""

from operate.doctor import (
    access_checks,
    app_checks,
    column_checks,
    companies,
    data_project_checks,
    entity_checks,
    map_checks,
    project_checks,
    reach_checks,
    setup_checks,
    user_checks,
    value_checks,
    webhook_checks,
)
from operate.doctor.check import Check

CHECKS: tuple[Check, ...] = (
    *reach_checks.CHECKS,
    *user_checks.CHECKS,
    *project_checks.CHECKS,
    *access_checks.CHECKS,
    *setup_checks.CHECKS,
    *entity_checks.CHECKS,
    *data_project_checks.CHECKS,
    *companies.CHECKS,
    *column_checks.CHECKS,
    *value_checks.CHECKS,
    *map_checks.CHECKS,
    *webhook_checks.CHECKS,
    *app_checks.CHECKS,
)
