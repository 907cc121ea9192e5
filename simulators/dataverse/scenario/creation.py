"""A draft invoice with all rows that it depends on: contract, projects, customer, and work that is already in
Finance.
"""

from dataclasses import dataclass, field
from datetime import date
from random import Random

from simulators.dataverse.codes import (
    BILLED_SALES,
    CHARGEABLE,
    COST,
    DRAFT,
    FEE,
    FIXED_PRICE,
    INVOICE_CREATED,
    MATERIAL,
    MILESTONE,
    MILESTONE_CREATED,
    TIME,
    TIME_AND_MATERIAL,
    UNBILLED_SALES,
    WORK_BASED,
)
from simulators.dataverse.organization import COMPANIES, Base, base_rows
from simulators.dataverse.scenario.lines import Line, amount_of, plan_lines, special_lines
from simulators.dataverse.scenario.rows import Rows, Values, ids_of, local_midnight, workday
from simulators.dataverse.scenario.texts import CUSTOMERS, DESCRIPTIONS, PROJECTS, TASKS
from simulators.dataverse.store import Writer
from simulators.dataverse.values import now_text

EXCHANGE_RATES = {"USD": 10_000_000_000, "EUR": 9_200_000_000}


@dataclass(frozen=True)
class Order:
    """What to create: `edited` is the share of lines whose quantity or billing type was changed on the draft. Behind
    the `lines` come retainers used in part and lines added by hand; the contract may be that of another invoice."""

    lines: int
    seed: int = 1
    company: str = "usmf"
    edited: float = 0.1
    retainersUsed: int = 0  # noqa: N815 - the names on the wire
    addedFixedPrice: int = 0  # noqa: N815
    addedTimeMaterial: int = 0  # noqa: N815
    sharesContractWith: str = ""  # noqa: N815

    @property
    def all_lines(self) -> int:
        """The lines of the plan and the special ones behind them."""
        return self.lines + self.retainersUsed + self.addedFixedPrice + self.addedTimeMaterial


class UnknownContract(Exception):
    """The invoice whose contract is to be shared does not exist."""


@dataclass(frozen=True)
class _Contract:
    """Ids of the rows that all lines share."""

    account: str
    contract: str
    work_line: str
    fixed_line: str
    rule: str
    invoice: str
    work_detail: str
    fixed_detail: str
    projects: list[tuple[str, list[str]]] = field(default_factory=list)


class Creation:
    """Writes one draft invoice in one transaction."""

    def __init__(self, writer: Writer, order: Order) -> None:
        connection = writer.connection
        same = connection.execute("SELECT COUNT(*) FROM sim_invoice WHERE seed LIKE ?", (f"{order.seed}/%",)).fetchone()
        self.number = connection.execute("SELECT COUNT(*) FROM sim_invoice").fetchone()[0] + 1
        self.seed = f"{order.seed}/{same[0]}"
        self.writer = writer
        self.order = order
        self.base: Base = base_rows()
        self.currency = COMPANIES[order.company][1]
        self.numbers = Random(self.seed)  # noqa: S311 - reproducible scenario, no secrets
        self.new_id = ids_of(self.numbers)
        self.rows = Rows(writer, now_text())
        self.total = 0
        self._contract_number = f"CON-{self.number:06d}"

    def write(self) -> str:
        """Return the id of the new invoice. Raises UnknownContract."""
        order = self.order
        contract = self._shared_contract(order.sharesContractWith) if order.sharesContractWith else self._contract()
        for line in plan_lines(order.lines, order.edited, self.numbers):
            self._line(contract, line)
        for line in special_lines(
            order.lines,
            self.numbers,
            retainers=order.retainersUsed,
            fixed_price=order.addedFixedPrice,
            time_and_material=order.addedTimeMaterial,
        ):
            self._line(contract, line)
        self._invoice(contract)
        self.rows.flush()
        self.writer.connection.execute(
            "INSERT INTO sim_invoice (invoice_id, number, company, currency, contract, lines, seed, proforma_total) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (contract.invoice, f"PRO-{self.number:06d}", self.order.company, self.currency, self._contract_number,
             order.all_lines, self.seed, self.total),
        )  # fmt: skip
        return contract.invoice

    def _shared_contract(self, invoice_id: str) -> _Contract:
        """The contract, customer and projects of another invoice."""
        one = self.writer.connection.execute
        invoice = self.writer.row("invoice", invoice_id)
        if invoice is None:
            raise UnknownContract(f"no invoice {invoice_id}")
        contract = str(invoice["salesorderid"])
        work, fixed = (
            str(key)
            for (key,) in one(
                "SELECT salesorderdetailid FROM salesorderdetail WHERE salesorderid = ? ORDER BY lineitemnumber",
                (contract,),
            )
        )
        found = one(
            "SELECT DISTINCT l.msdyn_project, t.msdyn_projecttaskid FROM msdyn_invoicelinetransaction l "
            "JOIN msdyn_projecttask t ON t.msdyn_project = l.msdyn_project WHERE l.msdyn_invoice = ? ORDER BY 1, 2",
            (invoice_id,),
        ).fetchall()
        projects = {str(project): [str(task) for owner, task in found if owner == project] for project, _ in found}
        number = one("SELECT contract FROM sim_invoice WHERE invoice_id = ?", (invoice_id,)).fetchone()
        self._contract_number = str(number[0])
        return _Contract(
            account=str(invoice["customerid"]),
            contract=contract,
            work_line=work,
            fixed_line=fixed,
            rule=str(invoice["msdyn_projectcontractsplitbillingrule"]),
            invoice=self.new_id(),
            work_detail=self.new_id(),
            fixed_detail=self.new_id(),
            projects=list(projects.items()),
        )

    def _contract(self) -> _Contract:
        ids = _Contract(
            account=self.new_id(),
            contract=self.new_id(),
            work_line=self.new_id(),
            fixed_line=self.new_id(),
            rule=self.new_id(),
            invoice=self.new_id(),
            work_detail=self.new_id(),
            fixed_detail=self.new_id(),
        )
        currency = {"transactioncurrencyid": self.base.currencies[self.currency]}
        owner = {"msdyn_owningcompany": self.base.companies[self.order.company]}
        customer = self.numbers.choice(CUSTOMERS)
        self.rows.add("account", ids.account, {"name": customer, "accountnumber": f"C-{self.number:06d}", **currency,
            "address1_city": "Köln", "msdyn_company": owner["msdyn_owningcompany"]})  # fmt: skip
        self.rows.add("salesorder", ids.contract, {"name": f"Contract with {customer}", "customerid": ids.account,
            "ordernumber": f"ORD-{self.number:06d}", "msdyn_salesordernumber": self._contract_number,
            "msdyn_ordertype": WORK_BASED, **currency, **owner})  # fmt: skip
        for place, key in enumerate((ids.work_line, ids.fixed_line), 1):
            self.rows.add("salesorderdetail", key, {"salesorderid": ids.contract, "lineitemnumber": place,
                "productdescription": "Fixed price" if place == 2 else "Time & material",
                "msdyn_billingmethod": FIXED_PRICE if place == 2 else TIME_AND_MATERIAL,
                "msdyn_contractlinenumber": f"{self._contract_number}-{place}"})  # fmt: skip
        self.rows.add("msdyn_projectcontractsplitbillingrule", ids.rule, {
            "msdyn_name": customer[:100], "msdyn_projectcontractid": ids.contract,
            "msdyn_projectcontractsplitbillingrulenumber": f"FS-{self.number:06d}"})  # fmt: skip
        for place in range(self.numbers.randint(1, 3)):
            ids.projects.append(self._project(place, owner | currency))
        return ids

    def _project(self, place: int, shared: dict[str, str]) -> tuple[str, list[str]]:
        project, tasks = self.new_id(), []
        number = f"PRJ-{self.number:06d}-{place + 1}"
        subject = PROJECTS[(self.number + place) % len(PROJECTS)]
        self.rows.add("msdyn_project", project, {"msdyn_subject": subject, "msdyn_projectnumber": number, **shared})
        for step, name in enumerate(TASKS):
            tasks.append(self.new_id())
            self.rows.add("msdyn_projecttask", tasks[-1], {"msdyn_subject": name, "msdyn_project": project,
                "msdyn_activitynumber": f"{number}-{step + 1:03d}"})  # fmt: skip
        return project, tasks

    def _line(self, contract: _Contract, line: Line) -> None:
        project, tasks = self.numbers.choice(contract.projects)
        day = workday(self.numbers)
        text = DESCRIPTIONS[line.number % len(DESCRIPTIONS)]
        common: Values = {
            "msdyn_description": text,
            "msdyn_project": project,
            "msdyn_projectcontractsplitbillingrule": contract.rule,
            "transactioncurrencyid": self.base.currencies[self.currency],
            "exchangerate": EXCHANGE_RATES[self.currency],
            "msdyn_documentdate": local_midnight(day),
            "msdyn_transactionclassification": line.classification,
            "msdyn_price": line.price,
        }
        billed = self._billed_line(contract, line, common, day)
        if line.has_actuals:
            self._work(contract, line, common | self._details(contract, line, tasks, day), billed)

    def _billed_line(self, contract: _Contract, line: Line, common: Values, day: date) -> str:
        key = self.new_id()
        on_work_line = (line.has_actuals or line.added) and not line.is_fixed_price
        amount = amount_of(line.billed, line.price)
        if line.billed_as == CHARGEABLE:
            self.total += amount
        values: Values = common | {
            "msdyn_invoice": contract.invoice,
            "msdyn_invoicelineid": contract.work_detail if on_work_line else contract.fixed_detail,
            "msdyn_billingtype": line.billed_as,
            "msdyn_transactiontypecode": BILLED_SALES,
            "msdyn_quantity": line.billed,
            "msdyn_amount": amount,
            "msdyn_correction": 0,
            "msdyn_startdatetime": local_midnight(day),
        }
        if line.classification == MILESTONE:
            values["msdyn_milestone"] = self._milestone(contract, amount)
        self.rows.add("msdyn_invoicelinetransaction", key, values)
        return key

    def _milestone(self, contract: _Contract, amount: int) -> str:
        key = self.new_id()
        self.rows.add("msdyn_contractlinescheduleofvalue", key, {
            "msdyn_name": "Acceptance, part 1", "msdyn_amount": amount, "msdyn_invoicestatus": MILESTONE_CREATED,
            "msdyn_contractline": contract.fixed_line,
            "transactioncurrencyid": self.base.currencies[self.currency]})  # fmt: skip
        return key

    def _details(self, contract: _Contract, line: Line, tasks: list[str], day: date) -> Values:
        base, numbers = self.base, self.numbers
        category = {TIME: "Time", MATERIAL: "Material", FEE: 'Fee "flat"'}.get(line.classification)
        category = category or numbers.choice(("Travel, air", "Hotel"))
        found: Values = {
            "msdyn_salescontract": contract.contract,
            "msdyn_salescontractlineid": contract.work_line,
            "msdyn_valueofsalescontractline": f"{self._contract_number}-1",
            "msdyn_accountcustomer": contract.account,
            "msdyn_customertype": 192350001,
            "msdyn_amountmethod": 192350000,
            "msdyn_transactioncategory": base.categories[category],
            "msdyn_accountingdate": local_midnight(day),
            "msdyn_transactiondate": day.isoformat(),
            "msdyn_startdatetime": f"{day.isoformat()}T08:00:00Z",
            "msdyn_enddatetime": None if numbers.random() < 0.3 else f"{day.isoformat()}T16:30:00Z",
            "msdyn_isjournalized": 0,
            "msdyn_externaldescription": DESCRIPTIONS[numbers.randrange(len(DESCRIPTIONS))],
            "msdyn_externalreferenceid": None if numbers.random() < 0.5 else f'EXT/{line.number}, "x"',
            "msdyn_contractorganizationalunitid": next(iter(base.organizational_units.values())),
        }
        if line.classification == TIME:
            name = numbers.choice(list(base.resources))
            found |= {"msdyn_bookableresource": base.resources[name], "msdyn_nameofbookableresource": name,
                      "msdyn_resourcecategory": base.roles["Consultant"], "msdyn_unit": base.units["Hour"],
                      "msdyn_task": numbers.choice(tasks)}  # fmt: skip
        elif line.classification == MATERIAL:
            found |= {"msdyn_product": numbers.choice(list(base.products.values())), "msdyn_unit": base.units["Meter"]}
        else:
            found["msdyn_unit"] = base.units["Each"]
        return found

    def _work(self, contract: _Contract, line: Line, common: Values, billed: str) -> None:
        """Write the work: unbilled sales and, except for fees, the cost rows."""
        unbilled = self.new_id()
        sales = common | {
            "msdyn_transactiontypecode": UNBILLED_SALES,
            "msdyn_billingtype": line.worked_as,
            "msdyn_billingstatus": INVOICE_CREATED,
            "msdyn_quantity": line.quantity,
            "msdyn_amount": amount_of(line.quantity, line.price),
            "msdyn_invoice": contract.invoice,
            "msdyn_istransition": 0,
            "msdyn_actualimportid": self.new_id(),
        }
        self.rows.add("msdyn_actual", unbilled, sales)
        self._connect(
            (billed, "Billed Sales", "msdyn_invoicelinetransaction"), (unbilled, "Unbilled Sales", "msdyn_actual")
        )
        if not line.has_cost:
            return
        cost, price = self.new_id(), line.price * 6 // 10
        self.rows.add("msdyn_actual", cost, sales | {
            "msdyn_transactiontypecode": COST, "msdyn_billingstatus": None, "msdyn_invoice": None, "msdyn_price": price,
            "msdyn_amount": amount_of(line.quantity, price), "msdyn_actualimportid": self.new_id()})  # fmt: skip
        self._connect((unbilled, "Unbilled Sales", "msdyn_actual"), (cost, "Cost", "msdyn_actual"))

    def _connect(self, first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
        connect(self.rows, self.new_id(), first, second)

    def _invoice(self, contract: _Contract) -> None:
        number, total = f"PRO-{self.number:06d}", self.total
        currency = self.base.currencies[self.currency]
        for place, key in enumerate((contract.work_detail, contract.fixed_detail), 1):
            self.rows.add("invoicedetail", key, {
                "invoiceid": contract.invoice, "lineitemnumber": place, "quantity": 100_000,
                "productdescription": "Fixed price" if place == 2 else "Time & material",
                "transactioncurrencyid": currency,
                "msdyn_billingmethod": FIXED_PRICE if place == 2 else TIME_AND_MATERIAL,
                "msdyn_contractline": contract.fixed_line if place == 2 else contract.work_line})  # fmt: skip
        self.rows.add("invoice", contract.invoice, {
            "name": f"{number} – work until today", "invoicenumber": number, "msdyn_invoicenumber": number,
            "msdyn_ordertype": WORK_BASED, "msdyn_projectinvoicestatus": DRAFT, "msdyn_hascorrections": 0,
            "msdyn_invoicedate": local_midnight(date(2026, 4, 30)), "exchangerate": EXCHANGE_RATES[self.currency],
            "salesorderid": contract.contract, "customerid": contract.account, "transactioncurrencyid": currency,
            "msdyn_owningcompany": self.base.companies[self.order.company],
            "msdyn_projectcontractsplitbillingrule": contract.rule, "billto_city": "Köln",
            "msdyn_paymentterms": self.base.payment_terms["Net30"] if self.number % 2 else None,
            "description": "Leistungen bis heute,\nsiehe \"Anlage\"" if self.number % 3 else None,
            "totallineitemamount": total, "totalamount": total, "totaltax": 0, "totalamountlessfreight": total,
        })  # fmt: skip


def connect(rows: Rows, key: str, first: tuple[str, str, str], second: tuple[str, str, str]) -> None:
    """Write a transaction connection; each end is (id, role, table)."""
    rows.add("msdyn_transactionconnection", key, {
        "msdyn_name": None,
        "msdyn_transaction1": first[0], "msdyn_transaction1role": first[1], "msdyn_transaction1type": first[2],
        "msdyn_transaction2": second[0], "msdyn_transaction2role": second[1], "msdyn_transaction2type": second[2],
    })  # fmt: skip
