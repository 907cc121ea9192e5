"""The table maps: which are in use, what is stored, what a check or a translation says."""

from typing import Any, Literal

from pydantic import Field

from relay_contract import Answer, Instant
from relay_contract.doctor import Verdict


class MapActivation(Answer):
    """A map was put into use. `digest` is that of its file, or empty for the map that the app was shipped with."""

    digest: str
    version: str
    at: Instant
    by: str


class MapInUse(Answer):
    """A map and where it comes from. `digest` is empty for the shipped map. `shippedDigest` is the digest that the
    shipped map would have in storage, and `baseDigest` that of the shipped map when this one was pushed. `problem` says
    why the active map is not used."""

    map: str
    version: str
    digest: str
    shipped_version: str
    shipped_digest: str
    base_digest: str = ""
    activated: MapActivation | None = None
    problem: str = ""


class MapsInUse(Answer):
    """All maps of the app, in the sequence of their job."""

    maps: list[MapInUse]


class StoredMap(Answer):
    """A map file in storage."""

    digest: str
    version: str
    at: Instant | None
    by: str
    problem: str = ""


class MapHistory(Answer):
    """What was put into use, newest first, and which files are in storage."""

    map: str
    in_use: str
    activations: list[MapActivation]
    stored: list[StoredMap]


class MapFile(Answer):
    """The content of a map file. `digest` is empty for the shipped map."""

    map: str
    digest: str
    version: str
    content: dict[str, Any]


class MapRemark(Answer):
    """What a check says about one place of a map. `about` is the column, or the member of the file."""

    verdict: Verdict
    about: str
    text: str
    next_step: str = ""


class MapSample(Answer):
    """One row of Dataverse, as the columns that the map in use sends and that the checked map would send. A value is
    null if a map does not send the column."""

    source_id: str
    before: dict[str, str | None]
    after: dict[str, str | None]
    refused: str = ""


class MapCheck(Answer):
    """What a check of a map against the tenant found. `passed` is false if anything fails, and `proven` is false as
    well if something could not be seen."""

    map: str
    digest: str
    version: str
    passed: bool
    proven: bool
    remarks: list[MapRemark]
    sample: MapSample | None = None


class PushedMap(Answer):
    """A map file that is in storage now, inactive."""

    map: str
    digest: str
    version: str


class ActivatedMap(Answer):
    """A map that is in use now, and what was in use before. An empty digest is the shipped map. All instances see it
    within `withinSeconds`."""

    map: str
    digest: str
    version: str
    before: str
    within_seconds: int
    check: MapCheck | None = None


class TranslationLine(Answer):
    """One line of the report of a translation: `taken` as it was, `changed` by a rule, `untranslatable`, or `missing`
    although the shipped map has it."""

    kind: Literal["taken", "changed", "untranslatable", "missing"]
    target: str
    source: str = ""
    text: str = ""


class Translation(Answer):
    """A dual-write map as a map file of this app. `found` says which dual-write map was translated, or why there is
    none: then `content` is null. Content with faults is not complete, and `check` says what is missing."""

    map: str
    found: str
    content: dict[str, Any] | None
    report: list[TranslationLine] = Field(default_factory=list)
    running: bool = False
    faults: list[str] = Field(default_factory=list)
