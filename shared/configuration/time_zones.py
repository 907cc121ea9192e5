"""Time zones by their IANA names."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

ZONES_SETTING = "DATAVERSE_USER_TIME_ZONES"


@dataclass(frozen=True, eq=False)
class Zones:
    """`home` is the zone of Dataverse's local midnights for the app user, `people` are the zones of other users who
    choose dates. Compared by identity, because it is part of the key of many small caches."""

    home: ZoneInfo
    people: tuple[ZoneInfo, ...] = ()

    def __str__(self) -> str:
        return ", ".join(zone.key for zone in (self.home, *self.people))


def zone_name(value: str) -> str:
    """The name of a zone in the database's spelling. Raises ValueError."""
    if not _is_known("UTC"):
        raise ValueError("cannot be looked up: there is no time zone database here; deploy the package tzdata")
    name = value if _is_known(value) else _respelled(value)
    if not _is_known(name):
        raise ValueError("must be an IANA time zone such as Europe/Berlin (no Windows name, no offset)")
    return name


# These names mean the zone of the machine, which differs between a laptop and Azure.
_OF_THE_MACHINE = {"localtime", "posixrules", "Factory"}
_WITH_LEAP_SECONDS = "right/"


def _is_known(name: str) -> bool:
    """Whether the database has this zone with the same meaning on every machine. Zones that count leap seconds are
    refused: Dataverse's midnights do not."""
    if name in _OF_THE_MACHINE or name.startswith(_WITH_LEAP_SECONDS):
        return False
    try:
        return bool(ZoneInfo(name).key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        # A folder of the database (Europe) raises an OSError, a different one on each system.
        return False


def _respelled(value: str) -> str:
    wanted = value.replace(" ", "_").casefold()
    return next((name for name in available_timezones() if name.casefold() == wanted), value)
