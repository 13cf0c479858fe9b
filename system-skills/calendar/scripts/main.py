"""Calculates with dates: days between two, a date so many days, weeks, months or years away, weekday, week, leap year."""

import datetime
import re

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
NAMES = "January February March April May June July August September October November December".split()
MONTHS = {name[:3].lower(): i for i, name in enumerate(NAMES, 1)} | {"mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12}
MONTH = (r"(?P<name>jan(?:uary|uar)?|feb(?:ruary|ruar)?|mar(?:ch)?|märz?|mrz|apr(?:il)?|may|mai|june?|juni|july?|juli|"
         r"aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|okt(?:ober)?|nov(?:ember)?|dec(?:ember)?|dez(?:ember)?)\b\.?")
DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?\b"
FEASTS = {"christmas eve": (12, 24), "christmas": (12, 25), "new year's eve": (12, 31), "halloween": (10, 31)}
DATE = re.compile("|".join((
    r"(?P<y1>\d{4})[-/](?P<m1>\d{1,2})[-/](?P<d1>\d{1,2})(?![\d-])",
    r"(?P<d2>\d{1,2})(?P<mark>[./-])(?P<m2>\d{1,2})(?P=mark)(?P<y2>\d{4}|\d\d)(?!\d)",
    r"(?P<d3>\d{1,2})(?:st|nd|rd|th|\.)? (?:of )?" + MONTH.replace("name", "n3") + r"(?:,? (?P<y3>\d{4})\b)?",
    MONTH.replace("name", "n4") + r" (?:the )?" + DAY.replace("day", "d4") + r"(?:,? (?P<y4>\d{4})\b)?",
    r"(?P<feast>christmas(?: eve)?|new year's eve|halloween)(?: (?P<y5>\d{4})\b)?",
    r"\b(?P<near>today|tomorrow|yesterday|now)\b")))
SMALL = dict(zip("a an one two three four five six seven eight nine ten eleven twelve".split(), (1, 1, *range(1, 13))))
STEP = re.compile(rf"(?<![\w.,/-])(?P<n>\d[\d,]*|{'|'.join(SMALL)})[ -]"
                  r"(?P<kind>(?:working |business |week)?days?|weeks?|fortnights?|months?|quarters?|years?)\b")
IN_DAYS, IN_MONTHS = {"day": 1, "week": 7, "fortnight": 14}, {"month": 1, "quarter": 3, "year": 12}
OUTSIDE = "The date lies outside the calendar of the years 1 to 9999; use a smaller step."


def today(inputs):
    """The input `today`, else the clock's date if there is a clock that tells a believable one."""
    if inputs.get("today"):
        try:
            return datetime.date.fromisoformat(str(inputs["today"])[:10])
        except ValueError:
            raise ValueError("The input “today” is not a date; write it like 2026-01-31.") from None
    try:
        day = datetime.date.today()
    except Exception:  # an interpreter without a clock may raise anything
        day = datetime.date(1970, 1, 1)
    if day.year < 2025:
        raise ValueError("There is no clock here; name both dates, or give today's date as the input “today”.")
    return day


def make(year, month, day):
    """A date, or a sentence on what is wrong with it."""
    try:
        return datetime.date(year, month, day)
    except ValueError:
        raise ValueError(f"There is no {day}.{month}.{year} in the calendar (day.month.year); correct the date.") from None


def find_dates(question, inputs):
    """The dates of a question in order; one without a year takes it from the others or from today. And the rest of it."""
    found = []
    for match in DATE.finditer(question):
        part = {name.rstrip("12345"): value for name, value in match.groupdict().items() if value}
        if "near" in part:
            shift = {"tomorrow": 1, "yesterday": -1}.get(part["near"], 0)
            found.append(today(inputs) + datetime.timedelta(days=shift))
            continue
        month = int(part["m"]) if "m" in part else MONTHS[part["n"][:3]] if "n" in part else FEASTS[part["feast"]][0]
        day = int(part["d"]) if "d" in part else FEASTS[part["feast"]][1]
        if part.get("mark") in ("/", "-") and month > 12 >= day:  # 5/13/2024 can only be American
            day, month = month, day
        year = int(part["y"]) if "y" in part else None
        if year is not None and len(part["y"]) == 2:
            year += 2000 if year < 70 else 1900
        found.append(make(year, month, day) if year is not None else (month, day))
    years = [date.year for date in found if isinstance(date, datetime.date)]
    for i, date in enumerate(found):
        if isinstance(date, tuple):
            year = years[0] if years else today(inputs).year
            found[i] = make(year, *date)
            over = i > 0 and found[i] < found[i - 1]  # '20 December to 3 January' ends in the next year
            if over or not years and re.search(r"until|till|to go|before", question) and found[i] < today(inputs):
                found[i] = make(year + 1, *date)
    return found, DATE.sub("#", question)


def shift(date, months):
    """The same day so many months on, or the last day of a month that is too short for it."""
    year, month = divmod(date.year * 12 + date.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise ValueError(OUTSIDE)
    last = 31
    while True:
        try:
            return datetime.date(year, month + 1, min(date.day, last))
        except ValueError:
            last -= 1


def walk(date, steps, sign):
    """The date after all steps: months and years first, then days; working days one by one."""
    date = shift(date, sign * sum(n * IN_MONTHS.get(kind, 0) for n, kind in steps))
    try:
        date += datetime.timedelta(days=sign * sum(n * IN_DAYS.get(kind, 0) for n, kind in steps))
        for n in (n for n, kind in steps if kind == "working day"):
            if n > 10000:
                raise ValueError("So many working days are not counted here; use up to 10,000.")
            while n:
                date += datetime.timedelta(days=sign)
                n -= date.weekday() < 5
    except OverflowError:
        raise ValueError(OUTSIDE) from None
    return date


def say(date):
    """Friday, 1 March 2024"""
    return f"{DAYS[date.weekday()]}, {date.day} {NAMES[date.month - 1]} {date.year}"


def listed(pairs):
    """[(1, 'year'), (0, 'month'), (2, 'day')] -> '1 year and 2 days'"""
    parts = [f"{n:,} {unit}" + ("" if n == 1 else "s") for n, unit in pairs if n]
    return " and ".join([", ".join(parts[:-1])] * (len(parts) > 1) + parts[-1:]) or "0 days"


def between(first, last, question):
    """Days from one date to another, and the same in other units."""
    low, high = min(first, last), max(first, last)
    days = (high - low).days
    months = (high.year - low.year) * 12 + high.month - low.month
    months -= shift(low, months) > high
    rest = (high - shift(low, months)).days
    working = (days + 1) // 7 * 5 + sum((low.weekday() + i) % 7 < 5 for i in range((days + 1) % 7))
    units = {"day": listed([(days, "day")]), "week": listed([(days // 7, "week"), (days % 7, "day")]),
             "month": listed([(months, "month"), (rest, "day")]),
             "year": listed([(months // 12, "year"), (months % 12, "month"), (rest, "day")])}
    asked = re.search(r"\b(week|month|year)s\b", question)
    unit = asked[1] if asked else "year" if re.search(r"\bold\b|\bage\b", question) else "day"
    said = f"{working:,} working days" if re.search(r"(?:working|business) ?days|weekdays", question) else units[unit]
    lines = [f"It is **{said}** from {say(low)} to {say(high)}.", "", "| Counted as | Result |", "|---|---|",
             f"| Days | {days:,} |", f"| Days, with both dates | {days + 1:,} |", f"| Weeks | {units['week']} |"]
    lines += [f"| Years and months | {units['year']} |"] if months else []
    lines.append(f"| Monday to Friday, with both dates | {working:,} |")
    return {"answer": "\n".join(lines), "from": low.isoformat(), "to": high.isoformat(), "days": days, "working_days": working,
            "years": months // 12, "months": months % 12, "days_beyond_months": rest}


def execute(inputs):
    """Finds the dates and steps in the question; what is asked follows from how many there are and the words around."""
    question = " ".join(str(inputs.get("question") or "").lower().replace("−", "-").replace("’", "'").split())[:500]
    days_of_month = rf"(?<!\S)(\d{{1,2}})\.?( ?(?:-|–|to|until|till|and) ?)(\d{{1,2}})\.? {MONTH}(,? \d{{4}})?"
    question = re.sub(days_of_month, r"\1 \4\5 \2 \3 \4\5", question)  # 'from 3 to 10 May' are two dates
    if "leap" in question:
        year = re.search(r"\b\d{4}\b", question) or re.search(r"\b\d{1,5}\b", question)
        number = int(year[0]) if year else today(inputs).year + ("next year" in question) - ("last year" in question)
        if not 1 <= number <= 9999:
            raise ValueError("The year must lie between 1 and 9999.")
        leap = number % 4 == 0 and (number % 100 != 0 or number % 400 == 0)
        answer = f"{number} **is {'' if leap else 'not '}a leap year**: February has {28 + leap} days, the year {365 + leap}."
        return {"answer": answer, "year": number, "leap": leap}
    dates, rest = find_dates(question, inputs)
    steps = []
    for match in STEP.finditer(rest):
        digits, kind = match["n"].replace(",", ""), match["kind"].rstrip("s")
        if len(digits) > 7:
            raise ValueError(OUTSIDE)
        kind = "working day" if re.match("working|business|weekday", kind) else kind
        steps.append((int(digits) if digits.isdigit() else SMALL[digits], kind))
    asks_span = re.search(r"\bhow (?:many|long|old)\b|\bbetween\b|\bsince\b|\buntil\b|\btill\b|\bage\b", rest)
    if len(dates) < 2 and dates and not steps and asks_span:
        dates.append(today(inputs))
    if len(dates) >= 2 and not steps:
        return between(dates[0], dates[1], rest)
    if steps:
        start = dates[0] if dates else today(inputs)
        back = re.search(r"\b(?:before|ago|minus|earlier|prior|subtract|back|less)\b|# - ", rest)
        date = walk(start, steps, -1 if back else 1)
        answer = f"{listed(steps)} {'before' if back else 'after'} {say(start)} is **{say(date)}**"
        answer += f" ({date.isoformat()}, week {date.isocalendar()[1]})."
        if date.day != start.day and all(kind in IN_MONTHS for _, kind in steps):
            answer += f" {NAMES[date.month - 1]} {date.year} has no day {start.day}, so its last day counts."
        return {"answer": answer, "start": start.isoformat(), "date": date.isoformat(), "weekday": DAYS[date.weekday()]}
    if not dates:
        raise ValueError("No date was found in the question; write one like 2026-01-31 or 31 January 2026.")
    date, (year, week, _) = dates[0], dates[0].isocalendar()
    of_year = (date - datetime.date(date.year, 1, 1)).days + 1
    other = f" of {year}" if year != date.year else ""
    answer = f"{date.day} {NAMES[date.month - 1]} {date.year} is a **{DAYS[date.weekday()]}**,"
    answer += f" in ISO week {week}{other}, day {of_year} of the year."
    if re.search(r"\bweek\b(?! ?day)(?<!day of the week)|\bkw\b", rest.replace("day of the week", "")):
        answer = f"{say(date)} lies in **ISO week {week} of {year}**."
    return {"answer": answer, "date": date.isoformat(), "weekday": DAYS[date.weekday()],
            "iso_year": year, "iso_week": week, "day_of_year": of_year}
