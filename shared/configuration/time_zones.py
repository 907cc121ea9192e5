"""Time zones by their IANA names, and the database that knows them."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def zone_name(value: str) -> str:
    """The name of a zone as the database spells it. Raises ValueError."""
    if not _is_known("UTC"):
        raise ValueError("cannot be looked up: there is no time zone database here; deploy the package tzdata")
    name = value if _is_known(value) else _respelled(value)
    if not _is_known(name):
        raise ValueError("must be an IANA time zone such as Europe/Berlin (no Windows name, no offset)")
    return name


_OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
_WITH_LEAP_SECONDS = "right/"


def _is_known(name: str) -> bool:
    """Whether the database has this zone, and means the same by it on every machine; no midnight of Dataverse is one
    where leap seconds are counted."""
    if name in _OF_THE_MACHINE or name.startswith(_WITH_LEAP_SECONDS):
        return False
    try:
        return bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A folder of the database (Europe) is an OSError, and a different one on each system.
        return False


def _respelled(value: str) -> str:
    wanted = value.replace(" ", "_").casefold()
    return next((name for name in available_timezones() if name.casefold() == wanted), value)
