"""Waits until new role assignments count: the hook after `azd provision`.

An assignment exists at once, but storage may go on refusing for minutes, and a deployment then ends with
BlobUploadFailedException 403 (github.com/Azure/azure-dev/issues/8026). Nothing outside the app can ask whether its
identity is let in, so this waits for the age at which it nearly always is.
"""

import os
import time
from datetime import datetime

from infra.arm import Refused, awaited, manage, outputs, run

AGE = 120.0


def settle() -> None:
    """Return when the youngest role of the app's identity is old enough. Raises Refused if it has no role."""
    subscription, group, principal = outputs(
        "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "RELAY_IDENTITY_PRINCIPAL_ID"
    )
    assignments = (
        f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.Authorization/roleAssignments"
    )
    found = manage("GET", f"{assignments}?$filter=principalId%20eq%20'{principal}'", "2022-04-01")["value"]
    if not found:
        raise Refused(0, "The app's identity has no role, so the app could not start: run azd provision again")
    age = float(os.environ.get("SETTLE_SECONDS", AGE))
    born = max(datetime.fromisoformat(each["properties"]["createdOn"]).timestamp() for each in found)
    left = min(age, born + age - time.time())  # at most that long, whatever the two clocks say
    until = time.monotonic() + left
    awaited(f"{len(found)} roles to count", lambda: time.monotonic() >= until, left)
    print("The roles have had time to count. If the deployment still ends with 403, run azd deploy again.")


if __name__ == "__main__":
    run(settle)
