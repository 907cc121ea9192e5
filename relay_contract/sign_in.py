"""Who is asking, and how operators let themselves in."""

from typing import Literal

from relay_contract import Answer


class MapTitle(Answer):
    """What people call a map."""

    map: str
    title: str


class SignIn(Answer):
    """The app's version, how operators sign in, and the maps of its job in their sequence."""

    app: str
    sign_in: Literal["key", "appServiceAuthentication"]
    maps: list[MapTitle]


class OperatorName(Answer):
    """The name that the platform vouches for, or none where each change states it."""

    name: str | None
