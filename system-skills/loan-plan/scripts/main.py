"""Plans an annuity loan: the same payment every month, of which the interest takes less and less."""

import math
import re


EXAMPLES = {"amount": "200000", "rate": "3.5", "years": "20", "months": "48"}


def given(inputs, name, low, high, unit):
    """An input as a number within sensible limits, None if it is not there. Texts such as '200k' come from a model."""
    value = inputs.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, str):
        match = re.fullmatch(r"[€$£\s]*(\d[\d.,' ]*)\s*(k|m|million|thousand)?[\s€$£%]*", value.strip().lower())
        digits = re.sub(r"[' ]", "", match[1]) if match else ""
        if re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", digits):
            digits = digits.replace(",", "")
        elif re.fullmatch(r"\d{1,3}(\.\d{3})+,\d+|\d+,\d+|\d{1,3}(\.\d{3}){2,}", digits):
            digits = digits.replace(".", "").replace(",", ".")
        try:
            value = float(digits) * {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6}.get(match[2], 1)
        except (TypeError, ValueError):
            raise ValueError(f"The {name} cannot be read as a number; give it in {unit}, such as {EXAMPLES[name]}.") from None
    try:
        value = float(value)
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"The {name} must lie between {low:,} and {high:,} {unit}; give another one.")
    return value


def cents(value):
    """Whole cents, a half rounded up."""
    return math.floor(value + 0.5)


def money(value):
    """115992 -> 1,159.92"""
    return f"{value / 100:,.2f}"


def span(months):
    """240 -> '20 years', 18 -> '1 year and 6 months'."""
    years, rest = divmod(months, 12)
    parts = [f"{n} {unit}" + ("" if n == 1 else "s") for n, unit in ((years, "year"), (rest, "month")) if n]
    return " and ".join(parts)


def execute(inputs):
    """Works in whole cents like a bank: interest is rounded every month, the last payment settles what is left."""
    amount = given(inputs, "amount", 1, 1_000_000_000_000, "units of money")
    rate = given(inputs, "rate", 0, 100, "per cent a year")
    years = given(inputs, "years", 0.08, 100, "years")
    months = given(inputs, "months", 1, 1200, "months")
    if amount is None:
        raise ValueError("The amount of the loan is missing; say for example “a loan of 200,000”.")
    if rate is None:
        raise ValueError("The yearly rate of interest is missing; say for example “at 3.5 %”.")
    if years is None and months is None:
        raise ValueError("How long the loan runs is missing; say for example “over 20 years” or “in 48 months”.")
    count = round((years or 0) * 12 + (months or 0))  # '2 years and 6 months' names both
    if years and months and round(years * 12) == round(months):
        count = round(months)
    if not 1 <= count <= 1200:
        raise ValueError("A loan runs for 1 to 1,200 months; give another time.")
    balance = cents(amount * 100)
    monthly = rate / 1200
    exact = balance / count if monthly == 0 else balance * monthly / -math.expm1(-count * math.log1p(monthly))
    payment = cents(exact)
    if count > 1 and payment < max(100, cents(balance * monthly) + 1):
        raise ValueError("The payment would be too small to repay the loan in whole cents; take a larger amount or fewer months.")
    plan, paid, interest, last = [], 0, 0, payment
    for month in range(1, count + 1):
        due = cents(balance * monthly)
        last = balance + due if month == count else min(payment, balance + due)
        balance -= last - due
        paid, interest = paid + last, interest + due
        if month % 12 == 1 or count == 1:
            plan.append({"year": len(plan) + 1, "paid": 0, "interest": 0, "repaid": 0, "left": 0})
        year = plan[-1]
        year["paid"] += last
        year["interest"] += due
        year["repaid"] += last - due
        year["left"] = balance
        if balance == 0:  # a payment rounded up may end a long loan early
            count = month
            break
    if last > 2 * payment:
        raise ValueError("Rounded to cents this loan does not work out; take a lower rate or fewer months.")
    shown_rate = f"{rate:.4f}".rstrip("0").rstrip(".")
    shown_amount = money(cents(amount * 100)).removesuffix(".00")
    lead = f"A loan of {shown_amount} at {shown_rate} % a year over {span(count)} costs **{money(payment)} a month**"
    lead += f" and **{money(interest)} of interest** in all."
    detail = f"The {count} payments come" if count > 1 else "The only payment comes"
    detail += f" to {money(paid)}"
    detail += f"; the last one is {money(last)}." if last != payment else "."
    lines = [lead, "", detail, "", "| Year | Paid | Interest | Repaid | Left |", "|---:|---:|---:|---:|---:|"]
    sums = ("paid", "interest", "repaid", "left")
    lines += [f"| {year['year']} | " + " | ".join(money(year[name]) for name in sums) + " |" for year in plan]
    for year in plan:
        year.update({name: year[name] / 100 for name in sums})
    return {"answer": "\n".join(lines), "monthly_payment": payment / 100, "total_interest": interest / 100,
            "total_paid": paid / 100, "last_payment": last / 100, "months": count, "plan": plan}
