"""Finds dates, e-mail addresses, web addresses, phone numbers and amounts of money in a text."""

import bisect
import datetime
import re

KINDS = {  # kind: its name for one, for many, and the words of a request that ask for it
    "date": ("date", "dates", r"dates?|days?|deadlines?|when|datum"),
    "email": ("e-mail address", "e-mail addresses", r"e ?mails?|mails?|mailbox\w*"),
    "web": ("web address", "web addresses", r"web\w*|urls?|links?|(?:home)?pages?|sites?"),
    "phone": ("phone number", "phone numbers", r"(?:tele)?phones?|mobile|call|telefon\w*"),
    "money": ("amount of money", "amounts of money", r"money|amounts?|prices?|costs?|sums?|euros?|dollars?|pounds?|currency"),
}
SYMBOLS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "euro": "EUR", "dollar": "USD", "pound": "GBP", "yen": "JPY",
           "franken": "CHF", "franc": "CHF"}
CURRENCY = r"(?:[€$£¥]|(?:EUR|USD|GBP|CHF|JPY|euros?|dollars?|pounds?|francs?|franken|yen)\b)"
NUMBER = r"\d{1,3}(?:[.,' \u00a0\u202f]\d{3}){1,4}(?:[.,]\d{1,2})?(?!\d)|\d{1,15}(?:[.,]\d{1,9})?"
SCALES = {"k": 1e3, "thousand": 1e3, "tausend": 1e3, "m": 1e6, "million": 1e6, "mio": 1e6, "bn": 1e9, "billion": 1e9}
SCALE = r"(?:\s?(?P<scale>k|thousand|tausend|m|millions?|mio|bn|billions?)\b\.?)?"
MONTHS = {name: i for i, names in enumerate("jan feb mar|mär|mrz apr may|mai jun jul aug sep oct|okt nov dec|dez".split(), 1)
          for name in names.split("|")}
MONTH = (r"(?P<month>Jan(?:uary|uar)?|Feb(?:ruary|ruar)?|Mar(?:ch)?|März?|Mrz|Apr(?:il)?|May|Mai|June?|Juni|July?|Juli|"
         r"Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Okt(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|Dez(?:ember)?)\b\.?")
DAY = r"(?P<day>\d{1,2})"
DATES = [re.compile(pattern, re.IGNORECASE) for pattern in (
    r"(?<![\d.-])(?P<year>\d{4})[-/](?P<number>\d{1,2})[-/]" + DAY + r"(?![\d-])",
    r"(?<![\d./-])" + DAY + r"(?P<mark>[./-])(?P<number>\d{1,2})(?P=mark)(?P<year>\d{4}|\d\d)(?![\d/-])",
    r"\b" + DAY + r"(?:st|nd|rd|th|\.)?\s(?:of\s)?" + MONTH + r"(?:,?\s(?P<year>\d{4})\b)?",
    r"\b" + MONTH + r"\s" + DAY + r"(?:st|nd|rd|th)?\b(?!\d|[.:]\d)(?:,?\s(?P<year>\d{4})\b)?",
    r"\b" + MONTH + r"\s(?P<year>\d{4})\b",
)]


def read_date(match):
    """(reading, is it one): the ISO form; both readings of 3/4/2024, which Europe and America read differently."""
    part = match.groupdict()
    if part.get("month") and not part.get("year") and part["month"][0].islower():
        return "", False  # 'may 3 of us'
    month = int(part["number"]) if part.get("number") else MONTHS[part["month"][:3].lower()]
    day, year = int(part.get("day") or 1), int(part.get("year") or 2000)
    year += 0 if year > 99 else 2000 if year < 70 else 1900
    readings = [(month, day)]
    if part.get("mark") in ("/", "-") and day != month:
        readings.append((day, month))
    found = []
    for month, day in readings:
        try:
            found.append(datetime.date(year, month, day).isoformat())
        except ValueError:
            pass
    if found and not part.get("day"):
        return found[0][:7], True
    if found and not part.get("year"):
        return found[0][5:] + " (month-day, no year)", True
    return " or ".join(found), bool(found)


def read_money(match):
    """The amount with its currency: the last mark is decimal unless exactly three digits follow it."""
    digits = re.sub(r"[' \u00a0\u202f]", "", match["number"])
    head, mark, tail = re.match(r"(.*?)(?:([.,])(\d{1,2}|\d{4,}))?$", digits).groups()
    value = float(re.sub(r"[.,]", "", head) + (f".{tail}" if mark else ""))
    scale = (match["scale"] or "").lower()
    value *= SCALES.get(scale) or SCALES.get(scale.rstrip("s")) or 1
    currency = match["before"] or match["after"]
    currency = SYMBOLS.get(currency.lower()) or SYMBOLS.get(currency.lower().rstrip("s")) or currency.upper()
    return f"{value:,.2f} {currency}", value < 1e15


def read_phone(match):
    """Digits only; a number is one to call when it starts like one or is grouped as in North America."""
    text = match[0]
    digits = re.sub(r"\D", "", text.replace("(0)", "") if text[0] == "+" else text)
    starts = re.match(r"\+|\(|0\d|0\)", text) or re.fullmatch(r"\d{3}([-. ])\d{3}\1\d{4}", text)
    return ("+" if text[0] == "+" else "") + digits, bool(starts) and 7 <= len(digits) <= 15


FINDERS = [  # in this order; what one found (or rejected) the next ones do not see
    ("email", [re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+")], lambda m: (m[0].lower(), True)),
    ("web", [re.compile(r"(?:https?://|www\.)[^\s<>\"“”|]+|"
                        r"(?<![\w.-])[a-z0-9-]+\.(?:com|org|net|de|io|eu|at|ch|co\.uk|fr|info|dev|gov|edu)\b(?:/[^\s<>\"“”|]*)?",
                        re.IGNORECASE)], lambda m: (m[0], True)),
    (None, [re.compile(r"\b[A-Z]{2}\d\d(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,3})?\b")], lambda m: ("", False)),  # bank accounts
    ("date", DATES, read_date),
    ("money", [re.compile(rf"(?P<before>{CURRENCY})\s?(?P<number>{NUMBER}){SCALE}(?P<after>)", re.IGNORECASE),
               re.compile(rf"(?P<before>)(?<![\d.,])(?P<number>{NUMBER}){SCALE}\s?(?P<after>{CURRENCY})", re.IGNORECASE)], read_money),
    ("phone", [re.compile(r"(?<![\w.,/-])(?:\+|\()?\d[\d ()/.-]{4,20}\d(?!\w)")], read_phone),
]


def find(text):
    """All findings as (position, kind, words, reading), in the order of the text."""
    found = []
    for kind, patterns, read in FINDERS:
        def take(match, kind=kind, read=read):
            """Notes a finding and blanks it out, keeping the length and so the positions."""
            words, (reading, good) = match[0], read(match)
            if kind == "web":  # the sentence goes on behind an address
                words = words.rstrip(".,;:!?'")
                if words.endswith(")") and words.count(")") > words.count("("):
                    words = words.rstrip(")").rstrip(".,;:!?'") + ")" * words.count("(")
                reading = words
            if good:
                found.append((match.start(), kind, " ".join(words.split()).rstrip("."), reading))
            return "\n" * len(words) + match[0][len(words):]

        for pattern in patterns:
            text = pattern.sub(take, text)
    return sorted(found)


def split(request):
    """The instruction and the text of a request: 'find the dates in: …', 'which dates are in “…”', or text on new lines."""
    quoted = re.fullmatch(r'([^“"„«\n]*)[“"„«](.+)[”"“»][\s.?!]*', request, re.DOTALL)
    if quoted and ": " not in quoted[1]:
        return quoted[1], quoted[2]
    parts = re.split(r":\s+|\n", request, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else (request, "")


def execute(inputs):
    """Looks for what the request names, or for everything when it names nothing."""
    instruction, text = split(str(inputs.get("request") or "").strip())
    if inputs.get("file"):
        try:
            with open(str(inputs["file"]), "rb") as file:
                raw = file.read()
        except OSError:
            raise ValueError("The file could not be opened; attach it again.") from None
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = raw.decode("latin-1")
        if "\0" in text:
            raise ValueError("This is not a text file; attach a .txt or .md file.")
    elif inputs.get("text"):
        text = str(inputs["text"])
    if not text.strip():
        raise ValueError("There is no text to look at; write it after a colon or attach a text file.")
    asked = re.sub(r"[\W_]+", " ", instruction.lower())
    kinds = [kind for kind in KINDS if re.search(rf"\b(?:{KINDS[kind][2]})\b", asked)] or list(KINDS)
    found = [entry for entry in find(text) if entry[1] in kinds]
    ends = [match.start() for match in re.finditer("\n", text)]
    merged = {}  # the same finding again only raises its count
    for position, kind, words, reading in found:
        entry = merged.setdefault((kind, reading), {"kind": kind, "text": words, "reading": reading, "lines": []})
        entry["lines"].append(bisect.bisect(ends, position) + 1)
    results = sorted(merged.values(), key=lambda entry: kinds.index(entry["kind"]))
    counts = {kind: sum(entry["kind"] == kind for entry in results) for kind in kinds}
    names = [f"{n:,} {KINDS[kind][0 if n == 1 else 1]}" for kind, n in counts.items() if n]
    if not names:
        nothing = [KINDS[kind][1] for kind in kinds]
        answer = f"I found no {', '.join(nothing[:-1])}{' or ' if len(nothing) > 1 else ''}{nothing[-1]} in the text."
        return {"answer": answer, "found": [], "counts": counts}
    read_as = any(entry["kind"] in ("date", "money", "phone") for entry in results)
    several = "\n" in text.strip()
    lines = [f"I found **{', '.join(names[:-1])}{' and ' if len(names) > 1 else ''}{names[-1]}**.", "",
             "| What | Found |" + " Read as |" * read_as + " Line |" * several, "|---|---|" + "---|" * read_as + "---|" * several]
    for entry in results[:200]:
        reading = entry["reading"] if entry["kind"] in ("date", "money", "phone") else "–"
        where = ", ".join(map(str, entry["lines"][:5])) + (", …" if len(entry["lines"]) > 5 else "")
        line = f"| {KINDS[entry['kind']][0]} | {entry['text'].replace('|', chr(92) + '|')} |"
        lines.append(line + f" {reading} |" * read_as + f" {where} |" * several)
    if len(results) > 200:
        lines += ["", f"The table shows the first 200 of {len(results):,}."]
    return {"answer": "\n".join(lines), "found": results, "counts": counts}
