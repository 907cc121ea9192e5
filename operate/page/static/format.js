// Numbers, money, dates and spans as the reader writes them. Amounts are decimal strings and stay exact to the last
// digit: Intl formats them from the text, and nothing here makes a binary fraction of money.

const whole = new Intl.NumberFormat();
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const SPANS = [[86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

export const number = (value) => whole.format(value ?? 0);
export const share = (value) => new Intl.NumberFormat(undefined, { style: "percent" }).format(value);
export const plural = (count, word) => `${number(count)} ${count === 1 ? word : `${word}s`}`;

// With as many decimals as the amount has, so that a column of them stands in line.
export function money(amount, currency) {
  const digits = { minimumFractionDigits: Math.max(2, amount.split(".")[1]?.length ?? 0), maximumFractionDigits: 20 };
  try {
    return new Intl.NumberFormat(undefined, { style: "currency", currency, currencyDisplay: "code", ...digits }).format(amount);
  } catch {
    return `${new Intl.NumberFormat(undefined, digits).format(amount)} ${currency}`;
  }
}

export function amounts(sums) {
  const all = Object.entries(sums ?? {});
  return all.length ? all.map(([currency, amount]) => money(amount, currency)).join(", ") : "–";
}

export const clock = (at) => time.format(new Date(at));
export const date = (at) => (at ? moment.format(new Date(at)) : "–");

// The time for today, date and time for any other day.
export function when(at) {
  const instant = new Date(at);
  const today = instant.toDateString() === new Date().toDateString();
  return today ? clock(at) : `${day.format(instant)}, ${clock(at)}`;
}

// A duration in its largest unit: 3 minutes.
export function span(seconds) {
  const [size, unit] = SPANS.find(([size]) => Math.abs(seconds) >= size) ?? SPANS.at(-1);
  const format = new Intl.NumberFormat(undefined, { style: "unit", unit, unitDisplay: "short" });
  return format.format(Math.floor(seconds / size));
}

export const age = (at) => span(Math.max(0, (Date.now() - new Date(at)) / 1000));
