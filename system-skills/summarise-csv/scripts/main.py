"""Gives an overview of a CSV table: what each column holds, how much of it is missing, and its range."""

import collections
import csv
import datetime
import io
import math
import re

MISSING = {"", "-", "–", "?", "na", "n/a", "#n/a", "nan", "null", "none", "k. a.", "k.a."}
BIGGEST = 1e100  # beyond this, squares and sums stop being finite, so a cell counts as text


def read_text(name):
    """The text of a file: UTF-8 or UTF-16 as its mark says, else latin-1, which never fails (0x80 is the euro of Windows)."""
    try:
        with open(name, "rb") as file:
            raw = file.read()
    except OSError:
        raise ValueError("The table could not be opened; attach it again.") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1").replace("\x80", "€")
    if re.search("[\x00-\x08]", text):
        raise ValueError("This is not a text file; save the table as CSV and attach that.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_table(name):
    """Header, rows of equal width, delimiter and the number of rows that had to be padded or cut."""
    text = read_text(name)
    if not text.strip():
        raise ValueError("The table is empty; attach a CSV file with a header row and data.")
    sample, best, delimiter = text.strip("\n").split("\n")[:100], (0, 0), ","
    try:
        for mark in "\t;|,":  # the delimiter stands in the first row and splits most rows alike
            rows = [row for row in csv.reader(sample, delimiter=mark) if row]
            width, same = collections.Counter(map(len, rows)).most_common(1)[0]
            if len(rows[0]) > 1 and width > 1 and (same / len(rows), width) > best:
                best, delimiter = (same / len(rows), width), mark
        rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error:
        raise ValueError("The table cannot be read as CSV; check that every quotation mark is closed.") from None
    rows = [row for row in rows if any(row)]
    if text.count('"') % 2 and rows and any(cell.count("\n") > 1 for cell in rows[-1]):
        raise ValueError("A quotation mark in the table is never closed; close it and try again.")
    header = []
    for position, title in enumerate(rows[0] if rows else [], 1):
        title = " ".join(title.split()) or f"column {position}"
        header.append(title if title not in header else f"{title} ({position})")
    if len(rows) < 2:
        raise ValueError("The table has no row below its header; attach a CSV file with a header row and data.")
    ragged = sum(len(row) < len(header) or any(row[len(header):]) for row in rows[1:])
    return header, [(row + [""] * len(header))[:len(header)] for row in rows[1:]], delimiter, ragged


def bare(cell):
    """A cell without currency, per cent sign and thousands spaces; (5) means -5, as in bookkeeping."""
    cell = re.sub(r"[€$£¥%]|\b(?:EUR|USD|GBP|CHF)\b", "", cell.replace("−", "-")).strip()
    cell = re.sub(r"^\((.+)\)$", r"-\1", cell)
    return re.sub(r"(?<=\d)[ \u00a0\u202f'’](?=\d{3}(?!\d))", "", cell)


def numbers(cells, delimiter):
    """The cells as floats, None where a cell is no number.

    Whether the column writes 1,234.5 or 1.234,5 is decided by all its cells together: a cell with both marks, with two
    equal marks, or with a mark that is not followed by exactly three digits shows which one it is. When no cell shows
    it, the point is the decimal mark, except for commas in a file with semicolons, where the comma is.
    A leading zero (007, 01067) makes a cell a label, not a number.
    """
    cells, votes = [bare(cell) for cell in cells], 0
    for cell in cells:
        if re.fullmatch(r"[+-]?\d[\d.,]*", cell):
            comma, point = cell.rfind(","), cell.rfind(".")
            if comma >= 0 and point >= 0:
                votes += 1 if comma > point else -1
            elif comma >= 0 and not re.fullmatch(r"[+-]?[1-9]\d{0,2}(,\d{3})+", cell):
                votes += 1
            elif point >= 0 and not re.fullmatch(r"[+-]?[1-9]\d{0,2}(\.\d{3})+", cell):
                votes -= 1
            elif cell.count(",") > 1 or cell.count(".") > 1:
                votes += 1 if point >= 0 else -1
            elif comma >= 0 and delimiter == ";":
                votes += 0.001
    group, point = (r"\.", ",") if votes > 0 else (",", r"\.")
    shape = re.compile(rf"[+-]?(?:(?:0|[1-9]\d*|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)(?:{point}\d+)?|{point}\d+)(?:[eE][+-]?\d+)?")
    found = []
    for cell in cells:
        value = None
        if shape.fullmatch(cell):
            value = float(cell.replace(".", "").replace(",", ".") if votes > 0 else cell.replace(",", ""))
        found.append(value if value is not None and abs(value) < BIGGEST else None)
    return found


def is_money(cells):
    """Whether most cells write two decimals, as prices do; then what is made of them gets two decimals as well."""
    return sum(bool(re.search(r"[.,]\d\d\D*$", cell)) for cell in cells) > len(cells) / 2


def show(number, money=False):
    """A number for people: two decimals from 1 on, four digits that count below, commas from five digits on."""
    number += 0.0  # no minus zero
    if money and abs(number) < 1e15:
        return f"{number:,.2f}"
    if abs(number) >= 1e15 or 0 < abs(number) < 1e-4:
        return f"{number:.6g}"
    text = f"{number:,.2f}" if abs(number) >= 1 else f"{number:.{4 - math.ceil(math.log10(abs(number) or 1))}f}"
    text = text.rstrip("0").rstrip(".")
    return text.replace(",", "") if abs(number) < 9999.995 else text


def plain(text):
    """A text that may stand in a cell of a Markdown table."""
    text = " ".join(text.split()).replace("|", "\\|")
    return text if len(text) <= 40 else text[:39] + "…"


MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
GERMAN = {"mär": 3, "mrz": 3, "mai": 5, "okt": 10, "dez": 12}
LABEL = re.compile(r"(?i)(?:^|[\W_])(?:id|nr|code|zip|plz|year|jahr)$|[a-z]I[dD]$")


def to_date(cell, month_first):
    """A date written with digits (2024-01-31, 31.1.2024, 31/1/2024) or a month's name, None for anything else."""
    cell = re.sub(r"(?<=\d)[T ]\d{1,2}:\d\d.*$", "", cell)
    if match := re.fullmatch(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})", cell):
        year, month, day = map(int, match.groups())
    elif match := re.fullmatch(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d\d)", cell):
        day, month, year = int(match[1]), int(match[3]), int(match[4])
        year += 0 if len(match[4]) == 4 else 2000 if year < 70 else 1900
        if month_first and match[2] != ".":
            day, month = month, day
    elif match := re.fullmatch(r"(?:(\d{1,2})\.? )?([^\W\d]{3,9})\.? (?:(\d{1,2}),? )?(\d{4})", cell):
        name = match[2][:3].lower()
        month = MONTHS.index(name) + 1 if name in MONTHS else GERMAN.get(name, 0)
        day, year = int(match[1] or match[3] or 0), int(match[4])
    else:
        return None
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def dates(cells):
    """The cells as dates; 3/4/2024 is the 4th of March only where the column has a second number above 12."""
    month_first = any(re.match(r"\d{1,2}[/-](1[3-9]|2\d|3[01])[/-]", cell) for cell in cells)
    return [to_date(cell, month_first) for cell in cells]


def describe(title, cells, delimiter):
    """What one column holds: its type is the one that at least nine of ten filled cells agree on."""
    filled = [cell for cell in cells if cell.lower() not in MISSING]
    counts = collections.Counter(filled)
    column = {"name": title, "type": "empty", "missing": len(cells) - len(filled), "distinct": len(counts)}
    if not filled:
        return column, "no values"
    enough = 0.9 * len(filled)
    days = [day for day in dates(filled) if day]
    if len(days) >= enough:
        first, last = min(days), max(days)
        column |= {"type": "date", "min": first.isoformat(), "max": last.isoformat()}
        return column, f"{first} to {last}" if first < last else f"always {first}"
    values = [value for value in numbers(filled, delimiter) if value is not None]
    if len(values) >= enough:
        low, high, mean = min(values), max(values), math.fsum(values) / len(values)
        column |= {"type": "number", "min": low, "max": high, "mean": mean, "not_numbers": len(filled) - len(values)}
        if LABEL.search(title) and all(value == int(value) for value in values):  # nobody wants the mean of a key
            return column, f"{low:.0f} to {high:.0f}, {'all' if len(counts) == len(filled) else len(counts)} different"
        other = f"; {len(filled) - len(values)} not a number" if len(values) < len(filled) else ""
        low, high, mean = (show(value, is_money(filled)) for value in (low, high, mean))
        return column, f"min {low}, max {high}, mean {mean}{other}"
    answers = {"yes", "no", "true", "false", "ja", "nein", "y", "n"}
    top = sorted(counts.items(), key=lambda pair: -pair[1])[:3]  # a stable sort: ties in order of appearance
    column |= {"type": "yes/no" if {cell.lower() for cell in filled} <= answers else "text",
               "top": [{"value": value, "count": count} for value, count in top]}
    if len(counts) == len(filled) > 1:
        return column, "all different, e.g. " + "; ".join(plain(value) for value, _ in top)
    listed = ", ".join(f"{plain(value)} ({count})" for value, count in top)
    return column, listed if len(counts) <= 3 else f"{len(counts)} different, most often {listed}"


def counted(number, noun):
    """'1 row', '12 rows'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def execute(inputs):
    """Describes every column and says first what a person wants to know first: how much there is and how complete."""
    name = inputs.get("table")
    if not name:
        raise ValueError("No table was given; attach a CSV file.")
    header, rows, delimiter, ragged = read_table(str(name))
    described = [describe(title, [row[i] for row in rows], delimiter) for i, title in enumerate(header)]
    columns = [column for column, _ in described]
    missing = sum(column["missing"] for column in columns)
    repeated = len(rows) - len(set(map(tuple, rows)))
    answer = f"The table has **{counted(len(rows), 'row')} and {counted(len(header), 'column')}**; "
    answer += "no value is missing." if not missing else f"{counted(missing, 'value')} {'is' if missing == 1 else 'are'} missing."
    lines = [answer, "", "| Column | Type | Missing | Overview |", "|---|---|---:|---|"]
    lines += [f"| {plain(c['name'])} | {c['type']} | {c['missing']:,} | {overview} |" for c, overview in described]
    notes = []
    if repeated:
        notes.append(f"{counted(repeated, 'row')} {'repeats' if repeated == 1 else 'repeat'} an earlier row exactly.")
    if ragged:
        were = "was" if ragged == 1 else "were"
        notes.append(f"{counted(ragged, 'row')} had more or fewer fields than the header and {were} filled or cut.")
    if notes:
        lines += ["", " ".join(notes)]
    return {"answer": "\n".join(lines), "rows": len(rows), "columns": columns, "missing": missing,
            "repeated_rows": repeated, "ragged_rows": ragged}
