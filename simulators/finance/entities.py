"""The data entities of the invoice path, and one of the customer's own: labels, staging fields, keys, mandatory
fields.
"""

from dataclasses import dataclass
from functools import cached_property

from simulators.finance.fields import DATE, DECIMAL, GUID, INT32, INT64, NO_YES, Kind, enum_of, text_of

TRANSACTION_TYPE = enum_of(
    "ProjCDSTransType", "Cost", "Sales", "Tax", "BilledSales", "InterOrgSales", "ResourcingUnitCost"
)
BILLING_TYPE = enum_of(
    "ProjBillingType", "NotSpecified", "Chargeable", "NonChargeable", "Complimentary", "NotAvailable"
)


@dataclass(frozen=True)
class Entity:
    """One data entity. Staging columns are the field names in upper case, SQL columns the same in lower case.

    `label` names it in a package; `collection` is its OData set, None when it has no public one.
    """

    label: str
    name: str
    source: str
    table: str
    key: str
    fields: dict[str, Kind]
    mandatory: tuple[str, ...]
    by_company: bool = True
    collection: str | None = None

    @cached_property
    def staging(self) -> dict[str, str]:
        """Staging column name → field name."""
        return {name.upper(): name for name in self.fields}

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The key as SQL columns."""
        return ("dataareaid", self.key.lower()) if self.by_company else (self.key.lower(),)

    def key_text(self, company: str, key: str) -> str:
        """Return the entity key as one comma-separated text, as error lists show it."""
        return f"{company},{key}" if self.by_company else key


HEADERS = Entity(
    label="Project invoice proposal V2",
    name="ProjInvoiceProposalV2Entity",
    source="ProjProposalJour",
    table="headers",
    key="InvoiceProposalId",
    fields={
        "InvoiceProposalId": text_of(20),
        "ProjectContractId": text_of(20),
        "FundingSourceId": text_of(20),
        "SalesCurrency": text_of(3),
        "InvoiceDate": DATE,
        "PaymentTerms": text_of(10),
        "InvoiceHeaderText": text_of(255),
    },
    mandatory=("InvoiceProposalId", "ProjectContractId", "SalesCurrency"),
)

ACTUALS = Entity(
    label="Project Operations integration actuals",
    name="ProjActualsImportEntity",
    source="ProjCDSActualsImport",
    table="actuals",
    key="ActualsImportId",
    collection="ProjActualsImports",
    mandatory=(
        "AccountingDate",
        "BillingType",
        "DocumentDate",
        "ProjectId",
        "TransactionClassification",
        "TransactionCurrencyId",
    ),
    fields={
        "ActualsImportId": GUID,
        "ActualId": GUID,
        "ProjActualsImportSync": NO_YES,
        "IsJournalized": NO_YES,
        "Status": INT64,
        "StatusReason": INT64,
        "AdjustmentStatus": INT64,
        "BillingStatusId": INT64,
        "TransactionType": TRANSACTION_TYPE,
        "TransactionClassification": INT64,
        "BillingType": BILLING_TYPE,
        "Amount": DECIMAL,
        "UnitPrice": DECIMAL,
        "UnitPriceMST": DECIMAL,
        "Quantity": DECIMAL,
        "ExchangeRate": DECIMAL,
        "AccountingAmount": DECIMAL,
        "SalesTaxAmount": DECIMAL,
        "TransactionCurrencyId": text_of(3),
        "DocumentDate": DATE,
        "AccountingDate": DATE,
        "StartDate": DATE,
        "EndDate": DATE,
        "ExchangeRateDate": DATE,
        "ProjectId": text_of(20),
        "ProjectDataAreaId": text_of(4),
        "TaskNumber": text_of(20),
        "ContractId": text_of(20),
        "ContractLineId": text_of(50),
        "ContractLine": INT32,
        "FundingSource": text_of(20),
        "CustomerAccountNumber": text_of(20),
        "BookableResourceName": text_of(255),
        "ResourceId": GUID,
        "ResourceOperationUnitId": GUID,
        "ContractingUnit": GUID,
        "ResourcingCompany": text_of(4),
        "TransactionCategoryId": text_of(30),
        "UnitOfMeasure": text_of(10),
        "ProductNumber": text_of(70),
        "ProductDescription": text_of(255),
        "InvoiceProposalId": text_of(20),
        "InvoiceId": text_of(20),
        "VoucherNumber": text_of(20),
        "Description": text_of(255),
        "ExternalDescription": text_of(255),
        "ExternalReference": text_of(100),
        "ExternalOriginReference": text_of(100),
        "SubcontractLine": text_of(50),
        "SubConInvoiceId": text_of(20),
        "MatchedVendorInvoice": text_of(50),
        "VendInvoiceLineProjTransId": text_of(50),
        "OwningUser": GUID,
        "OwningBusinessId": GUID,
    },
)

CONNECTIONS = Entity(
    label="Integration entity for project transaction relationships",
    name="ProjCDSTransactionRelationshipImportEntity",
    source="ProjCDSTransactionRelationshipImport",
    table="connections",
    key="ConnectionId",
    by_company=False,
    fields={
        "ConnectionId": GUID,
        "Transaction1Id": GUID,
        "Transaction1Role": text_of(100),
        "Transaction1Type": text_of(100),
        "Transaction2Id": GUID,
        "Transaction2Role": text_of(100),
        "Transaction2Type": text_of(100),
    },
    mandatory=(
        "Transaction1Id",
        "Transaction1Role",
        "Transaction1Type",
        "Transaction2Id",
        "Transaction2Role",
        "Transaction2Type",
    ),
)

DETAILS = Entity(
    label="Contoso invoice line details",
    name="ContosoInvoiceLineDetailEntity",
    source="ContosoInvoiceLineDetail",
    table="details",
    key="LineDetailId",
    by_company=False,
    fields={"LineDetailId": GUID, "Description": text_of(200), "Amount": DECIMAL, "Currency": text_of(3)},
    mandatory=("Currency",),
)
"""An entity that the customer made: what a job gets as a further map."""

ENTITIES = {entity.label.lower(): entity for entity in (HEADERS, ACTUALS, CONNECTIONS, DETAILS)}
COMPANIES = {"usmf": "USD", "demf": "EUR"}
DEFAULT_COMPANY = "usmf"
