"""How operators sign in, and who they are."""

from typing import Literal

from relay_contract import Answer


class MapTitle(Answer):
    """The display name of a map. The rows of a `measured` map are compared in money, and later posted."""

    map: str
    title: str
    measured: bool


class SignIn(Answer):
    """The app's version, how operators sign in, and the maps of its job in their sequence."""

    app: str
    sign_in: Literal["key", "appServiceAuthentication"]
    maps: list[MapTitle]


class OperatorName(Answer):
    """The operator's name from the platform, or none if each change has to state it."""

    name: str | None
