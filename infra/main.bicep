// Everything that the relay needs in one subscription: `azd up`, or `az deployment sub create`. Parameters in capitals are app
// settings, explained in docs/settings.md. An empty one is left to the app's own default, so that no default is written twice.
// A setting that was made by hand in the portal is gone after the next deployment: Azure replaces all settings as a whole.
targetScope = 'subscription'

// The environment; azd fills it in
@description('Name of the environment: sandbox, production. Every name of a resource comes from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region. It must offer Flex Consumption: az functionapp list-flexconsumption-locations')
@minLength(1)
@metadata({ azd: { type: 'location' } })
param location string

@description('Object id of the person or pipeline that deploys. It may write secrets into the vault. Empty: no role for it.')
param principalId string = ''

@description('What principalId is; a pipeline is a ServicePrincipal. Azure refuses the role when this is wrong.')
@allowed([ 'User', 'Group', 'ServicePrincipal' ])
param principalType string = 'User'

// Size and cost
@description('Memory of one instance; 2048 comes with one core.')
@allowed([ 512, 2048, 4096 ])
param instanceMemoryMB int = 2048

@description('Most instances of all functions together. Requests to Dataverse at a time: DATAVERSE_CONCURRENCY times instances.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Webhooks that one instance takes at a time. The default of the platform for Python is 1.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Instances that are always there, billed while idle: [{"name": "http", "instanceCount": 1}], or "function:<name>".')
param alwaysReady array = []

@description('Copies of the data: in one place (LRS), three zones (ZRS) or a second region as well (GRS, GZRS).')
@allowed([ 'Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS' ])
param storageSku string = 'Standard_LRS'

@description('How long log lines are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 90

// Network
@description('Storage and vault answer only inside a virtual network. Webhooks still come from outside, with a key.')
param privateNetwork bool = false

@description('Addresses of that network, a /24 or larger.')
param networkAddresses string = '10.71.0.0/24'

// Who gets told
@description('Mail addresses that alerts go to, separated by commas.')
param alertEmails string = ''

@description('Address that receives alerts in the common alert schema. It holds a signature, so it is a secret.')
@secure()
param alertWebhook string = ''

@description('Trigger of a Logic App that receives alerts, for Teams: /subscriptions/../workflows/<name>/triggers/<trigger>')
param alertLogicAppTrigger string = ''

// Storage
param STORAGE_TAKEN_OVER_FROM string = ''

// Dataverse
@minLength(1)
param DATAVERSE_URL string
@minLength(36)
@maxLength(36)
param DATAVERSE_ORGANIZATION_ID string
param DATAVERSE_TIME_ZONE string = ''
param DATAVERSE_USER_TIME_ZONES string = ''
param DATAVERSE_PAGE_ROWS string = ''
param DATAVERSE_CONCURRENCY string = ''

// Finance
@minLength(1)
param FINANCE_URL string
param FINANCE_CONCURRENCY string = ''
param FINANCE_UPLOAD_HOSTS string = ''
param FINANCE_DATA_PROJECT string = ''
@description('Imports at a time for each map whose number differs: {"FINANCE_LANES_ACTUALS": "8"}')
param FINANCE_LANES object = {}
param FINANCE_SHIPMENT_ROWS string = ''
param FINANCE_SHIPMENT_LEASE_SECONDS string = ''
param FINANCE_DOUBTFUL_START_SECONDS string = ''
param FINANCE_SLOW_IMPORT_SECONDS string = ''
param FINANCE_POLL_LONGEST_SECONDS string = ''

// Signing in to both services
@description('managedIdentity needs no secret: the user-assigned identity of this template signs in.')
@allowed([ 'managedIdentity', 'certificate', 'clientSecret' ])
param SIGN_IN_METHOD string = 'managedIdentity'
@description('Empty: the tenant of this subscription.')
param SIGN_IN_AUTHORITY string = ''
@description('App registration, for certificate and clientSecret.')
param SIGN_IN_CLIENT_ID string = ''
@description('Name of the secret in the vault that holds the client secret; never the secret itself.')
param clientSecretName string = 'sign-in-client-secret'
@description('Name of the certificate or secret in the vault.')
param certificateName string = 'sign-in-certificate'

// Operators
param OPERATOR_SIGN_IN string = ''
param OPERATOR_ROLE string = ''
param ADMINISTRATOR_ROLE string = ''

// Invoices
param INVOICE_CONFIRMED_STATUSES string = ''
param INVOICE_NUMBER_COLUMN string = ''
param WEBHOOK_MAX_BYTES string = ''

// Comparing and waiting
param VERIFY_ALL_ROWS_UP_TO string = ''
param VERIFY_SAMPLE_ROWS string = ''
param COMPLETENESS_PATIENCE_SECONDS string = ''
param LATE_ROWS_PATIENCE_SECONDS string = ''
param LATER_LOOKS_SECONDS string = ''
param ANSWER_PATIENCE_SECONDS string = ''
param THROTTLE_LONGEST_WAIT_SECONDS string = ''
param THROTTLE_WAIT_IN_PLACE_SECONDS string = ''

// Sweep
@description('Moment of going live. Required here: without it the sweep would send again what dual-write has carried.')
@minLength(1)
param SWEEP_START string
param SWEEP_LOOK_BACK_DAYS string = ''
param SWEEP_STALLED_AFTER_SECONDS string = ''
param SWEEP_ORPHANED_AFTER_SECONDS string = ''

var token = toLower(uniqueString(subscription().id, environmentName, location))
var tags = { 'azd-env-name': environmentName }
var vaultName = 'kv-${token}'
var managed = SIGN_IN_METHOD == 'managedIdentity'
var homeTenant = '${environment().authentication.loginEndpoint}${tenant().tenantId}'
var secret = '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=${clientSecretName})'
var certificate = '@Microsoft.KeyVault(VaultName=${vaultName};SecretName=${certificateName})'
var settings = {
  STORAGE_TAKEN_OVER_FROM: STORAGE_TAKEN_OVER_FROM
  DATAVERSE_URL: DATAVERSE_URL
  DATAVERSE_ORGANIZATION_ID: DATAVERSE_ORGANIZATION_ID
  DATAVERSE_TIME_ZONE: DATAVERSE_TIME_ZONE
  DATAVERSE_USER_TIME_ZONES: DATAVERSE_USER_TIME_ZONES
  DATAVERSE_PAGE_ROWS: DATAVERSE_PAGE_ROWS
  DATAVERSE_CONCURRENCY: DATAVERSE_CONCURRENCY
  FINANCE_URL: FINANCE_URL
  FINANCE_CONCURRENCY: FINANCE_CONCURRENCY
  FINANCE_UPLOAD_HOSTS: FINANCE_UPLOAD_HOSTS
  FINANCE_DATA_PROJECT: FINANCE_DATA_PROJECT
  FINANCE_SHIPMENT_ROWS: FINANCE_SHIPMENT_ROWS
  FINANCE_SHIPMENT_LEASE_SECONDS: FINANCE_SHIPMENT_LEASE_SECONDS
  FINANCE_DOUBTFUL_START_SECONDS: FINANCE_DOUBTFUL_START_SECONDS
  FINANCE_SLOW_IMPORT_SECONDS: FINANCE_SLOW_IMPORT_SECONDS
  FINANCE_POLL_LONGEST_SECONDS: FINANCE_POLL_LONGEST_SECONDS
  SIGN_IN_METHOD: SIGN_IN_METHOD
  SIGN_IN_AUTHORITY: empty(SIGN_IN_AUTHORITY) ? homeTenant : SIGN_IN_AUTHORITY
  SIGN_IN_CLIENT_ID: managed ? store.outputs.identityClientId : SIGN_IN_CLIENT_ID
  SIGN_IN_CLIENT_SECRET: SIGN_IN_METHOD == 'clientSecret' ? secret : ''
  SIGN_IN_CERTIFICATE: SIGN_IN_METHOD == 'certificate' ? certificate : ''
  OPERATOR_SIGN_IN: OPERATOR_SIGN_IN
  OPERATOR_ROLE: OPERATOR_ROLE
  ADMINISTRATOR_ROLE: ADMINISTRATOR_ROLE
  INVOICE_CONFIRMED_STATUSES: INVOICE_CONFIRMED_STATUSES
  INVOICE_NUMBER_COLUMN: INVOICE_NUMBER_COLUMN
  WEBHOOK_MAX_BYTES: WEBHOOK_MAX_BYTES
  VERIFY_ALL_ROWS_UP_TO: VERIFY_ALL_ROWS_UP_TO
  VERIFY_SAMPLE_ROWS: VERIFY_SAMPLE_ROWS
  COMPLETENESS_PATIENCE_SECONDS: COMPLETENESS_PATIENCE_SECONDS
  LATE_ROWS_PATIENCE_SECONDS: LATE_ROWS_PATIENCE_SECONDS
  LATER_LOOKS_SECONDS: LATER_LOOKS_SECONDS
  ANSWER_PATIENCE_SECONDS: ANSWER_PATIENCE_SECONDS
  THROTTLE_LONGEST_WAIT_SECONDS: THROTTLE_LONGEST_WAIT_SECONDS
  THROTTLE_WAIT_IN_PLACE_SECONDS: THROTTLE_WAIT_IN_PLACE_SECONDS
  SWEEP_START: SWEEP_START
  SWEEP_LOOK_BACK_DAYS: SWEEP_LOOK_BACK_DAYS
  SWEEP_STALLED_AFTER_SECONDS: SWEEP_STALLED_AFTER_SECONDS
  SWEEP_ORPHANED_AFTER_SECONDS: SWEEP_ORPHANED_AFTER_SECONDS
}

resource group 'Microsoft.Resources/resourceGroups@2024-11-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module watch 'watch.bicep' = {
  name: 'relay-watch'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    retentionDays: logRetentionDays
    emails: alertEmails
    alertWebhook: alertWebhook
    logicAppTrigger: alertLogicAppTrigger
  }
}

module store 'store.bicep' = {
  name: 'relay-store'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    vaultName: vaultName
    sku: storageSku
    privateNetwork: privateNetwork
    componentName: watch.outputs.componentName
    principalId: principalId
    principalType: principalType
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'relay-network'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    addresses: networkAddresses
    storageId: store.outputs.storageId
    vaultId: store.outputs.vaultId
  }
}

// Last: the host reads keys and leases from storage as soon as it starts, so roles and private endpoints come before it.
module app 'site.bicep' = {
  name: 'relay-site'
  scope: group
  params: {
    location: location
    tags: tags
    token: token
    identityName: store.outputs.identityName
    storageName: store.outputs.storageName
    componentName: watch.outputs.componentName
    subnetId: privateNetwork ? network!.outputs.subnetId : ''
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpConcurrency: httpConcurrency
    alwaysReady: alwaysReady
    settings: union(settings, FINANCE_LANES)
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output RELAY_APP string = app.outputs.name
output RELAY_URL string = app.outputs.url
output RELAY_SITE_ID string = app.outputs.id
output RELAY_IDENTITY_CLIENT_ID string = store.outputs.identityClientId
output RELAY_IDENTITY_PRINCIPAL_ID string = store.outputs.identityPrincipalId
output RELAY_STORAGE string = store.outputs.storageName
output RELAY_VAULT string = vaultName
output RELAY_COMPONENT string = watch.outputs.componentName
