"""All checks, in the order in which they are made and shown."""

from operate.doctor import app_checks, reach_checks, user_checks
from operate.doctor.check import Check

CHECKS: tuple[Check, ...] = (*reach_checks.CHECKS, *user_checks.CHECKS, *app_checks.CHECKS)
