"""The template names what exists and what the app knows, and nothing that Flex Consumption refuses."""

import re
from pathlib import Path

import pytest
import yaml

from shared.settings import Settings
from simulators.processes import PROJECT
from tests.infra import template
from tests.infra.template import INFRA, MODULES

# The versions that Microsoft's own templates use. Any other has not been seen to work.
VERSIONS = {
    "Microsoft.Authorization/roleAssignments": {"2022-04-01"},
    "Microsoft.Insights/actionGroups": {"2023-01-01"},
    "Microsoft.Insights/components": {"2020-02-02"},
    "Microsoft.Insights/scheduledQueryRules": {"2023-12-01"},
    "Microsoft.Insights/workbooks": {"2023-06-01"},
    "Microsoft.KeyVault/vaults": {"2023-07-01"},
    "Microsoft.ManagedIdentity/userAssignedIdentities": {"2024-11-30"},
    "Microsoft.Network/privateDnsZones": {"2020-06-01"},
    "Microsoft.Network/privateDnsZones/virtualNetworkLinks": {"2020-06-01"},
    "Microsoft.Network/privateEndpoints": {"2023-11-01"},
    "Microsoft.Network/privateEndpoints/privateDnsZoneGroups": {"2023-11-01"},
    "Microsoft.Network/virtualNetworks": {"2024-01-01"},
    "Microsoft.OperationalInsights/workspaces": {"2025-02-01"},
    "Microsoft.Resources/resourceGroups": {"2024-11-01"},
    "Microsoft.Storage/storageAccounts": {"2024-01-01"},
    "Microsoft.Storage/storageAccounts/blobServices": {"2024-01-01"},
    "Microsoft.Storage/storageAccounts/blobServices/containers": {"2024-01-01"},
    "Microsoft.Web/serverfarms": {"2024-04-01"},
    "Microsoft.Web/sites": {"2024-04-01"},
    "Microsoft.Web/sites/config": {"2024-04-01"},
}
ROLES = {
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "Monitoring Metrics Publisher": "3913510d-42f4-4e42-8a64-420c390055eb",
    "Key Vault Secrets User": "4633458b-17de-408a-b874-0445c86b69e6",
    "Key Vault Secrets Officer": "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
}
# Settings of the code that this template must not make, and why.
LEFT_OUT = {
    "AzureWebJobsStorage": "the account has no keys",
    "AzureWebJobsStorage__blobServiceUri": "the account's name says it",
    "AzureWebJobsStorage__queueServiceUri": "the account's name says it",
    "AzureWebJobsStorage__tableServiceUri": "the account's name says it",
    "FINANCE_LANES_<MAP>": "FINANCE_LANES takes them for all maps",
    "WEBSITE_AUTH_ENABLED": "App Service makes it",
    "WEBSITE_HOSTNAME": "App Service makes it",
}
OF_THE_HOST = {"APPLICATIONINSIGHTS_CONNECTION_STRING", "APPLICATIONINSIGHTS_AUTHENTICATION_STRING"}
# learn.microsoft.com, "Deprecated properties and settings" of the Flex Consumption plan: ignored, or refused (51021).
FORBIDDEN = re.compile(
    r"FUNCTIONS_WORKER_RUNTIME|FUNCTIONS_EXTENSION_VERSION|SCM_DO_BUILD_DURING_DEPLOYMENT|ENABLE_ORYX_BUILD|TZ"
    r"|WEBSITE_RUN_FROM_PACKAGE|WEBSITE_CONTENT\w*|WEBSITES_CONTAINER_START_TIME_LIMIT|WEBSITE_TIME_ZONE"
    r"|WEBSITE_MAX_DYNAMIC_APPLICATION_SCALE_OUT|WEBSITE_MOUNT_ENABLED|WEBSITE_LOAD_CERTIFICATES|linuxFxVersion|alwaysOn"
    r"|functionAppScaleLimit|healthCheckPath"
)
FUNCTIONS = {
    *("cidrSubnet", "empty", "environment", "guid", "items", "listCallbackUrl", "loadJsonContent", "split", "string"),
    *("subscription", "subscriptionResourceId", "tenant", "toLower", "trim", "union", "uniqueString"),
    *("allowed", "description", "maxLength", "maxValue", "metadata", "minLength", "minValue", "secure"),  # decorators
}
GUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_two_parsers_read_every_module(file: Path) -> None:
    assert template.syntax_errors(file) == []
    assert template.read(file)["globals"]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.name)
def test_every_name_is_declared_and_used(file: Path) -> None:
    declared, used = template.declared(file), template.used(file)
    assert used - declared <= FUNCTIONS
    resources = {name.rpartition("__")[2] for name in template.read(file).get("resources", {})}
    assert declared - used - resources - set(template.read(file).get("modules", {})) == set()


def test_every_module_gets_its_parameters_and_is_asked_for_its_outputs() -> None:
    text, modules = (INFRA / "main.bicep").read_text("utf-8"), template.main()["modules"]
    assert {each["detail"]["path"] for each in modules.values()} == {file.name for file in MODULES} - {"main.bicep"}
    asked = {name: set(re.findall(rf"\b{name}!?\.outputs\.(\w+)", text)) for name in modules}
    for name, each in modules.items():
        module = template.read(INFRA / each["detail"]["path"])
        call = each["config"].get("config", each["config"])
        assert call["params"].keys() == module["parameters"].keys()
        assert asked[name] == module["outputs"].keys()


def test_only_types_and_versions_of_microsofts_templates_are_used() -> None:
    found = {(each["type"], each["api_version"]) for each in template.resources()}
    assert found == {(kind, version) for kind, versions in VERSIONS.items() for version in versions}


def test_every_role_is_the_one_that_its_name_says() -> None:
    lines = [line for file in MODULES for line in file.read_text("utf-8").splitlines() if GUID.search(line)]
    found = [(name, guid) for line in lines for name in ROLES for guid in GUID.findall(line) if name in line]
    assert sorted(found) == sorted(ROLES.items())
    assert len(lines) == len(ROLES)


def test_the_app_gets_the_settings_that_it_knows_and_no_other() -> None:
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert known >= LEFT_OUT.keys()
    assert template.settings().keys() == known - LEFT_OUT.keys() | OF_THE_HOST


def test_every_setting_is_a_parameter_of_its_name() -> None:
    settings, parameters = template.settings(), template.main()["parameters"]
    of_the_template = {name for name in settings if name.startswith(("AzureWebJobs", "APPLICATIONINSIGHTS"))}
    in_the_vault = {"SIGN_IN_CLIENT_SECRET": "secret", "SIGN_IN_CERTIFICATE": "certificate"}
    in_capitals = {name for name in parameters if name.isupper()}
    assert in_capitals == settings.keys() - of_the_template - in_the_vault.keys() | {"FINANCE_LANES"}
    computed = {name for name in in_capitals if settings.get(name) != name}
    assert computed == {"FINANCE_LANES", "SIGN_IN_AUTHORITY", "SIGN_IN_CLIENT_ID"}
    for name, reference in in_the_vault.items():
        assert reference in set(template.strings(settings[name]))
        assert template.main()["variables"][reference]["value"].startswith(
            "@Microsoft.KeyVault(VaultName=${vaultName};"
        )


def test_a_setting_that_is_not_given_is_left_to_the_app() -> None:
    """Otherwise a default would be written twice, and a new one in the code would not reach a deployed app."""
    given = {
        name: each["default"] for name, each in template.main()["parameters"].items() if each["default"] is not None
    }
    # With an identity of its own the app needs no secret, which an app on a laptop cannot have.
    other = {"SIGN_IN_METHOD": "managedIdentity", "FINANCE_LANES": {}}
    assert {name: value for name, value in given.items() if name.isupper() and value != ""} == other


def test_what_has_no_default_is_asked_for() -> None:
    """azd asks for a parameter without a default, and with --no-prompt it names the missing ones and stops.

    SWEEP_START is among them: an app without it sends again what dual-write has carried before."""
    required = {name for name, each in template.main()["parameters"].items() if each["default"] is None}
    assert required == {
        *("environmentName", "location", "DATAVERSE_URL", "DATAVERSE_ORGANIZATION_ID", "FINANCE_URL", "SWEEP_START")
    }


def test_no_secret_has_a_default_or_passes_the_template() -> None:
    secrets = {
        (file.name, name): each
        for file in MODULES
        for name, each in template.read(file).get("parameters", {}).items()
        if {"type": "secure"} in each["decorators"]
    }
    assert secrets.keys() == {("main.bicep", "alertWebhook"), ("watch.bicep", "alertWebhook")}
    assert [each for each in secrets.values() if each["default"] not in (None, "")] == []
    secret = {str(field.alias) for field in Settings.model_fields.values() if "SecretStr" in str(field.annotation)}
    assert {"SIGN_IN_CLIENT_SECRET", "SIGN_IN_CERTIFICATE"} <= secret
    assert secret & template.main()["parameters"].keys() == set()


def test_no_setting_is_made_that_flex_consumption_refuses() -> None:
    for file in MODULES:
        assert [each for each in template.strings(template.read(file)) if FORBIDDEN.fullmatch(each)] == []


def test_exactly_one_site_is_the_service_of_azd() -> None:
    services = yaml.safe_load((PROJECT / "azure.yaml").read_text("utf-8"))["services"]
    found = [line for file in MODULES for line in file.read_text("utf-8").splitlines() if "azd-service-name" in line]
    assert [re.findall(r"'azd-service-name': '(\w+)'", line) for line in found] == [list(services)]


def test_the_parameters_file_gives_every_parameter_a_variable_of_its_own() -> None:
    given = {name: each["value"] for name, each in template.load("main.parameters.json")["parameters"].items()}
    assert given.keys() == template.main()["parameters"].keys()
    variables = {name: re.fullmatch(r"\$\{([A-Z][A-Z_]*)\}", value) for name, value in given.items()}
    names = [each[1] for each in variables.values() if each]
    assert len(set(names)) == len(given)
    assert [name for name, each in variables.items() if name.isupper() and each and each[1] != name] == []


def test_the_site_runs_the_apps_python_and_takes_webhooks_in_parallel() -> None:
    """The platform's default for Python is one request an instance: every parallel webhook would start another one."""
    config = template.read(INFRA / "site.bicep")["resources"]["site"]["config"]["properties"]["functionAppConfig"]
    version = (PROJECT / ".python-version").read_text("utf-8").strip()
    assert config["runtime"] == {"name": "python", "version": version}
    assert config["scaleAndConcurrency"]["triggers"] == {"http": {"perInstanceConcurrency": "httpConcurrency"}}
    assert template.main()["parameters"]["httpConcurrency"]["default"] > 1


def test_the_storage_account_has_no_keys_and_nothing_public() -> None:
    properties = template.read(INFRA / "store.bicep")["resources"]["storage"]["config"]["properties"]
    assert (properties["allowSharedKeyAccess"], properties["allowBlobPublicAccess"]) == (False, False)
