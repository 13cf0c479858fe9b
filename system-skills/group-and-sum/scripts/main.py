"""Adds up one column of a CSV table for every value of another column."""

import collections
import csv
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


PER = r"(?:by|per|for each|for every|in each|in every|of each|of every|each|every|across|je|pro|nach)"
LABEL = re.compile(r"(?i)(?:^|[\W_])(?:id|nr|code|zip|plz|year|jahr)$|[a-z]I[dD]$")  # numbers that nobody adds up
PERIODS = {"day": 10, "month": 7, "year": 4}  # how much of an ISO date names the period


def key(name):
    """Column names are compared without case, spaces and punctuation: 'Unit price' is unit_price."""
    return re.sub(r"[\W_]+", " ", name).strip().lower()


def known(titles):
    """The names of columns for a message, the first ones if there are many."""
    return ", ".join(map(plain, titles[:12])) + (f" and {len(titles) - 12} more" if len(titles) > 12 else "")


def column(header, name):
    """The column a person means by `name`, also in the plural or singular; None for no name."""
    for same in (str, key, lambda text: key(text).rstrip("s")):
        for title in header:
            if name and same(title) == same(str(name)):
                return title
    if name:
        raise ValueError(f"There is no column “{plain(str(name))}”; the columns are {known(header)}.")
    return None


def iso(cell):
    """2024-01-31 of a date that can be read in one way only, else an empty text."""
    if match := re.match(r"(\d{4})-(\d\d)-(\d\d)", cell):
        return match[0]
    match = re.match(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", cell)
    return f"{match[3]}-{int(match[2]):02}-{int(match[1]):02}" if match else ""


def roles(header, numeric, has_dates, inputs):
    """The column to add up (None: only count rows) and the column or period that makes the groups.

    Names that were found in the request are not yet told apart; the word before them does that ('per region').
    """
    request = f" {key(str(inputs.get('request') or ''))} "
    spoken = [t for t in sorted(header, key=len, reverse=True) if key(t) and re.search(rf" {re.escape(key(t))}s? ", request)]
    after = next((t for t in spoken if re.search(rf" {PER} (?:the )?{re.escape(key(t))}s? ", request)), None)
    value = column(header, inputs.get("column"))
    by = inputs.get("by") if inputs.get("by") in PERIODS and inputs["by"] not in header else column(header, inputs.get("by"))
    if value == by:  # the host found one name and took it for both
        value, by = (None, by) if by == after or by not in numeric else (value, None)
    elif value == after:
        value, by = by, value
    if value and by and value not in numeric and by in numeric:
        value, by = by, value
    period = re.search(rf" {PER} (?:calendar )?(day|month|year) ", request) or re.search(r" (dai|month|year)ly ", request)
    if not by:
        by = after or (period[1].replace("dai", "day") if period and has_dates else None)
        by = by or next((t for t in spoken if t != value and t not in numeric), None)
    if not by:
        raise ValueError(f"Say which column makes the groups; the columns are {known(header)}.")
    if value is None:
        free = [t for t in numeric if t != by]
        choice = [t for t in free if t in spoken] or [t for t in free if not LABEL.search(t)] or free
        value = choice[0] if len(choice) == 1 else None
        if len(choice) > 1 and not re.search(r" (count|how many|number of|how often) ", request):
            raise ValueError(f"Say which column to add up: {known(choice)}.")
    elif value not in numeric:
        raise ValueError(f"The column “{plain(value)}” has no numbers to add up; name a column that has.")
    return value, by


def execute(inputs):
    """Adds up one column for every value of another and names the largest group first."""
    name = inputs.get("table")
    if not name:
        raise ValueError("No table was given; attach a CSV file.")
    header, rows, delimiter, _ = read_table(str(name))
    columns = {title: [row[i] for row in rows] for i, title in enumerate(header)}
    values = {title: numbers(cells, delimiter) for title, cells in columns.items()}
    filled = {title: [cell for cell in cells if cell.lower() not in MISSING] for title, cells in columns.items()}
    numeric = [t for t in header if sum(v is not None for v in values[t]) > len(filled[t]) / 2]
    dated = next((t for t in header if filled[t] and all(map(iso, filled[t]))), None)
    value, by = roles(header, numeric, dated is not None, inputs)
    if by in columns:
        labels = columns[by]
    elif dated:
        labels = [iso(cell)[:PERIODS[by]] for cell in columns[dated]]
    else:
        raise ValueError(f"No column holds dates to make a group for each {by}; name the column that makes the groups.")
    groups = {}
    for label, number in zip(labels, values[value] if value else [None] * len(rows)):
        groups.setdefault(label or "(empty)", []).append(number)
    results = []
    for label, members in groups.items():
        members_with = [number for number in members if number is not None]
        total = math.fsum(members_with)
        results.append({"group": label, "sum": total, "count": len(members_with) if value else len(members),
                        "mean": total / len(members_with) if members_with else None})
    results.sort(key=lambda r: -(r["sum"] if value else r["count"]))
    money = is_money(filled[value]) if value else False
    first, least = results[0], results[-1]["sum"]
    if by not in columns:  # periods stand in their order
        results.sort(key=lambda r: r["group"])
    everything, count = math.fsum(r["sum"] for r in results), sum(r["count"] for r in results)
    measure = "sum" if value else "count"
    leading = [f"**{plain(r['group'])}**" for r in results if r[measure] == first[measure]]
    each = ", each" if len(leading) > 1 else ":"
    who = " and ".join(leading) if len(leading) < 4 else f"**{len(leading)} groups**"
    who += " has" if len(leading) == 1 else " have"
    if not value:
        lead = f"{who} the most rows{each} {first['count']:,} of {count:,}."
        table = [[plain(by), "Count"]] + [[plain(r["group"]), f"{r['count']:,}"] for r in results]
        end = ["**All**", f"**{count:,}**"]
    else:
        share = f" ({100 * first['sum'] / everything:.1f} %)" if everything > 0 and least >= 0 else ""
        lead = f"{who} the largest total of {plain(value)}{each} "
        lead += f"{show(first['sum'], money)} of {show(everything, money)}{share}."
        table = [[plain(by), f"Sum of {plain(value)}", "Count", "Mean"]]
        table += [[plain(r["group"]), show(r["sum"], money), f"{r['count']:,}",
                   "–" if r["mean"] is None else show(r["mean"], money)] for r in results]
        end = ["**All**", f"**{show(everything, money)}**", f"**{count:,}**", f"**{show(everything / count, money)}**"]
    lines = ["| " + " | ".join(cells) + " |" for cells in (table[:51] + [end])]
    lines.insert(1, "|---|" + "---:|" * (len(table[0]) - 1))
    notes = [f"The table above shows the first 50 of {len(results):,} groups."] if len(results) > 50 else []
    left_out = len(rows) - count
    if left_out:
        notes.append(f"{left_out:,} row{' without a number was' if left_out == 1 else 's without a number were'} left out.")
    answer = "\n".join([lead, ""] + lines + ([""] + notes if notes else []))
    return {"answer": answer, "by": by, "column": value, "groups": results, "sum": everything, "count": count}
