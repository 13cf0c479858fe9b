"""Measures the numbers of one column of a CSV table, or of every column that holds numbers."""

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


def key(name):
    """Column names are compared without case, spaces and punctuation: 'Unit price' is unit_price."""
    return re.sub(r"[\W_]+", " ", name).strip().lower()


def known(titles):
    """The names of columns for a message, the first ones if there are many."""
    return ", ".join(map(plain, titles[:12])) + (f" and {len(titles) - 12} more" if len(titles) > 12 else "")


def wanted(header, inputs):
    """The columns asked for: the one given, and with it others the request names ('mean of price and quantity')."""
    given, request = str(inputs.get("column") or "").strip(), f" {key(str(inputs.get('request') or ''))} "
    named = [title for title in header if key(title) and f" {key(title)} " in request]
    if not given:
        return named
    match = [title for title in header if title == given] or [title for title in header if key(title) == key(given)]
    if not match:
        raise ValueError(f"There is no column “{plain(given)}”; the columns are {known(header)}.")
    return named if match[0] in named else match[:1]


def quantile(ordered, share):
    """The value below which `share` of the sorted values lie, between neighbours in proportion (as spreadsheets do)."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def measure(title, cells, values):
    """All measures of one column, None where they are not defined (the deviation of a single number)."""
    ordered = sorted(value for value in values if value is not None)
    total, count = math.fsum(ordered), len(ordered)
    mean = total / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in ordered) / (count - 1)) if count > 1 else None
    missing = sum(cell.lower() in MISSING for cell in cells)
    money = is_money([cell for cell in cells if cell.lower() not in MISSING])
    return {"column": title, "money": money, "count": count, "missing": missing, "not_numbers": len(cells) - missing - count,
            "sum": total, "mean": mean, "median": quantile(ordered, 0.5), "standard_deviation": deviation,
            "min": ordered[0], "lower_quartile": quantile(ordered, 0.25),
            "upper_quartile": quantile(ordered, 0.75), "max": ordered[-1]}


TITLES = {"count": "Count", "missing": "Missing", "not_numbers": "Not a number", "sum": "Sum", "mean": "Mean",
          "median": "Median", "standard_deviation": "Sample standard deviation", "min": "Minimum",
          "lower_quartile": "Lower quartile", "upper_quartile": "Upper quartile", "max": "Maximum"}
ASKED = [("mean", r"mean|average"), ("median", r"median|middle"), ("sum", r"sum|total"),
         ("standard_deviation", r"deviation|sigma|spread|scatter"),
         ("min", r"min|minimum|smallest|lowest|least"), ("max", r"max|maximum|largest|highest|biggest"),
         ("lower_quartile", r"(?:lower|first) quartile|quartiles"), ("upper_quartile", r"(?:upper|third) quartile|quartiles")]


def execute(inputs):
    """Measures the column asked for, or every column of numbers, and puts the measure asked for into the first sentence."""
    name = inputs.get("table")
    if not name:
        raise ValueError("No table was given; attach a CSV file.")
    header, rows, delimiter, _ = read_table(str(name))
    columns = wanted(header, inputs)
    results = []
    for i, title in enumerate(header):
        cells = [row[i] for row in rows]
        values = numbers(cells, delimiter)
        filled = sum(cell.lower() not in MISSING for cell in cells)
        good = sum(value is not None for value in values)
        # Unasked, a column counts as numeric when nine of ten filled cells are numbers; asked for, one number is enough.
        if good and (title in columns or (not columns and good >= 0.9 * filled)):
            results.append(measure(title, cells, values))
    if not results and columns:
        raise ValueError(f"The column “{plain(columns[0])}” has no numbers in it; name a column that has.")
    if not results:
        raise ValueError("No column of the table has numbers in it; attach a table with at least one column of numbers.")
    request = f" {key(str(inputs.get('request') or ''))} "
    for title in columns:  # a column may be called “total”
        request = request.replace(f" {key(title)} ", " ")
    places = {measure: match.start() for measure, words in ASKED if (match := re.search(rf"\b(?:{words})\b", request))}
    named = sorted(places, key=places.get) or ["mean"]
    asked = named[0]

    def say(result, measure):
        """One measure of a column as text."""
        value = result[measure]
        return "–" if value is None else f"{value:,}" if isinstance(value, int) else show(value, result["money"])

    said = [f"**{say(r, asked)}**" for r in results]
    if len(results) == 1:
        only = results[0]
        missing = f", {only['missing']:,} missing" if only["missing"] else ""
        lead = f"The {TITLES[asked].lower()} of {plain(only['column'])} is {said[0]}"
        lead += "".join(f", the {TITLES[measure].lower()} **{say(only, measure)}**" for measure in named[1:])
        lead += f" ({only['count']:,} number{'' if only['count'] == 1 else 's'}{missing})."
    elif columns or places:
        pairs = [f"{value} ({plain(r['column'])})" for value, r in zip(said, results)]
        lead = f"The {TITLES[asked].lower()}s are {', '.join(pairs[:-1])} and {pairs[-1]}."
    else:
        lead = f"The table has **{len(results)} columns of numbers**; these are their statistics."
    measures = [m for m in TITLES if m != "not_numbers" or any(r[m] for r in results)]
    grid = [["Measure"] + [plain(r["column"]) for r in results]]
    grid += [[TITLES[m]] + [say(r, m) for r in results] for m in measures]
    if len(results) > 6:  # too wide to read: one line for each column instead
        grid = [list(line) for line in zip(*grid)]
        grid[0][0] = "Column"
    lines = ["| " + " | ".join(cells) + " |" for cells in grid]
    lines.insert(1, "|---|" + "---:|" * (len(grid[0]) - 1))
    return {"answer": "\n".join([lead, ""] + lines), "columns": results}
