// What watches the app: workspace, Application Insights, alerts (alerts.json), workbook (workbook.json), and who gets told.
param location string
param tags object
param token string
param retentionDays int
param emails string
@secure()
param alertWebhook string
param logicAppTrigger string

var watched = loadJsonContent('alerts.json')
var mails = empty(emails) ? [] : split(emails, ',')
var triggers = empty(logicAppTrigger) ? [] : [ logicAppTrigger ]

// No daily cap: a cap that is reached silences every alert.
resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: { sku: { name: 'PerGB2018' }, retentionInDays: retentionDays }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: { Application_Type: 'web', WorkspaceResourceId: workspace.id, DisableLocalAuth: true }
}

resource told 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${token}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'relay'
    emailReceivers: [for mail in mails: { name: trim(mail), emailAddress: trim(mail), useCommonAlertSchema: true }]
    webhookReceivers: empty(alertWebhook) ? [] : [{ name: 'webhook', serviceUri: alertWebhook, useCommonAlertSchema: true }]
    logicAppReceivers: [for trigger in triggers: {
      name: 'logic app'
      resourceId: split(trigger, '/triggers/')[0]
      callbackUrl: listCallbackUrl(trigger, '2019-05-01').value
      useCommonAlertSchema: true
    }]
  }
}

// At the first deployment there are no tables yet, so queries cannot be validated.
resource rules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for alert in watched.alerts: {
  name: 'relay-${alert.name}-${token}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: alert.title
    description: alert.description
    severity: alert.severity
    enabled: true
    scopes: [ component.id ]
    evaluationFrequency: alert.frequency
    windowSize: alert.window
    autoMitigate: true
    skipQueryValidation: true
    criteria: {
      allOf: [
        {
          query: alert.query
          timeAggregation: empty(alert.measure) ? 'Count' : 'Total'
          metricMeasureColumn: empty(alert.measure) ? null : alert.measure
          dimensions: empty(alert.dimension) ? [] : [{ name: alert.dimension, operator: 'Include', values: [ '*' ] }]
          operator: alert.operator
          threshold: alert.threshold
          failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
        }
      ]
    }
    actions: { actionGroups: [ told.id ] }
  }
}]

resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(component.id, 'relay')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Invoice relay'
    category: 'workbook'
    version: '1.0'
    sourceId: component.id
    serializedData: string(loadJsonContent('workbook.json'))
  }
}

output componentName string = component.name
