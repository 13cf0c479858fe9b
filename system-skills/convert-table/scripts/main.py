"""Turns a JSON list of objects into CSV, or CSV into a JSON list of objects."""

import collections
import csv
import io
import json
import re

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
SHOWN = 12000  # characters of the result that the answer shows; the data holds all of it
DIGITS = "\0"  # stands before the digits of a JSON number while it is a text, so that 19.90 stays 19.90


def read_text(name):
    """The text of a file: UTF-8 or UTF-16 as its mark says, else latin-1, which never fails (0x80 is the euro of Windows)."""
    try:
        with open(name, "rb") as file:
            raw = file.read()
    except OSError:
        raise ValueError("The file could not be opened; attach it again.") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1").replace("\x80", "€")
    if re.search("[\x00-\x08]", text):
        raise ValueError("This is not a text file; attach a table as CSV or JSON.")
    if not text.strip():
        raise ValueError("The file is empty; attach a table as CSV or JSON.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_csv(text):
    """Header and rows; the delimiter stands in the first row and splits most rows alike."""
    sample, best, delimiter = text.strip("\n").split("\n")[:100], (0, 0), ","
    try:
        for mark in "\t;|,":
            rows = [row for row in csv.reader(sample, delimiter=mark) if row]
            width, same = collections.Counter(map(len, rows)).most_common(1)[0]
            if len(rows[0]) > 1 and width > 1 and (same / len(rows), width) > best:
                best, delimiter = (same / len(rows), width), mark
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(map(str.strip, row))]
    except csv.Error:
        raise ValueError("The file cannot be read as CSV; check that every quotation mark is closed.") from None
    if text.count('"') % 2 and any(cell.count("\n") > 1 for cell in rows[-1]):
        raise ValueError("A quotation mark in the table is never closed; close it and try again.")
    if len(rows) < 2:
        raise ValueError("The table has no row below its header; attach a CSV file with a header row and data.")
    header = []
    for position, title in enumerate(rows[0], 1):
        title = " ".join(title.split()) or f"column {position}"
        header.append(title if title not in header else f"{title} ({position})")
    wide = next((i for i, row in enumerate(rows[1:], 1) if any(map(str.strip, row[len(header):]))), None)
    if wide:  # cutting cells off would lose data without a word
        raise ValueError(f"Data row {wide} has more fields than the header; put a field with a “{delimiter}” into quotation marks.")
    return header, [(row + [""] * len(header))[:len(header)] for row in rows[1:]]


def typed(cells):
    """A column as JSON values. It becomes numbers or true/false only when every filled cell is one; else it stays text.

    Numbers are 12 and 12.5, or 12,5 throughout. What would not come back as it was stays text: 007, 1,234 (which may
    mean 1234) and numbers of more digits than a program may keep.
    """
    filled = [cell.strip() for cell in cells if cell.strip()]
    comma = any("," in cell for cell in filled) and not any("." in cell for cell in filled)
    shape = re.compile(rf"-?(?:0|[1-9]\d{{0,14}})(?:{',' if comma else '[.]'}\d{{1,12}})?")
    grouped = comma and all(re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})?", cell) for cell in filled)  # 1,234 may be 1234
    result = []
    if filled and not grouped and all(shape.fullmatch(cell) for cell in filled):
        for cell in (cell.strip().replace(",", ".") for cell in cells):
            result.append(None if not cell else float(cell) if "." in cell else int(cell))
    elif filled and {cell.lower() for cell in filled} <= {"true", "false"}:
        result = [cell.strip().lower() == "true" if cell.strip() else None for cell in cells]
    else:
        result = [cell if cell.strip() else None for cell in cells]
    return result


def to_json(text):
    """Records and their JSON, one object for every row."""
    header, rows = read_csv(text)
    columns = [typed([row[i] for row in rows]) for i in range(len(header))]
    records = [dict(zip(header, values)) for values in zip(*columns)]
    lines = [json.dumps(record, ensure_ascii=False) for record in records]
    return len(records), len(header), "[\n  " + ",\n  ".join(lines) + "\n]\n"


def cell(value):
    """A JSON value as the text of a cell; a nested one keeps its JSON."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        return re.sub(r'"\\u0000([^"]*)"', r"\1", json.dumps(value, ensure_ascii=False))
    return value.removeprefix(DIGITS)


def no_number(word):
    """NaN and Infinity are no JSON, though the parser would take them."""
    raise ValueError(word)


def to_csv(text, delimiter):
    """Rows and their CSV, the columns in the order in which the objects name them first."""
    try:
        data = json.loads(text, parse_constant=no_number, parse_float=DIGITS.__add__, parse_int=DIGITS.__add__)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"The JSON is broken at {where}; correct it there and try again.") from None
    except (ValueError, RecursionError):
        raise ValueError("The JSON holds NaN, Infinity or too many levels; a table needs a list of flat objects.") from None
    if isinstance(data, dict):  # {"rows": [...]} is a common wrapping of a list
        lists = [value for value in data.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        data = lists[0] if len(lists) == 1 else [data]
    if not isinstance(data, list) or not data or not all(isinstance(record, dict) and record for record in data):
        raise ValueError('The JSON is not a list of objects such as [{"name": "Ada", "age": 36}]; bring it into that form.')
    header = list(dict.fromkeys(name for record in data for name in record))
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([[cell(record.get(name)) for name in header] for record in data])
    return len(data), len(header), out.getvalue()


def counted(number, noun):
    """'1 row', '12 rows'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def execute(inputs):
    """Converts into the other of the two forms; what the file is, its content tells where its name does not."""
    name = str(inputs.get("table") or "")
    if not name:
        raise ValueError("No file was given; attach a table as CSV or JSON.")
    delimiter = str(inputs.get("delimiter") or "comma").lower()
    if delimiter not in DELIMITERS:
        raise ValueError(f"“{delimiter[:40]}” is no delimiter; choose comma, semicolon or tab.")
    text = read_text(name)
    stem, _, kind = re.split(r"[/\\]", name)[-1].rpartition(".")
    is_json = kind.lower() == "json" or (kind.lower() not in ("csv", "tsv", "tab") and text.lstrip()[0] in "[{")
    if is_json:
        rows, columns, content = to_csv(text, DELIMITERS[delimiter])
        new = "csv"
    else:
        rows, columns, content = to_json(text)
        new = "json"
    lines, part = content.rstrip("\n").split("\n"), content[:SHOWN].rstrip("\n").split("\n")
    if len(content) > SHOWN and len(part) > 1:
        part.pop()  # the line that was cut
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", content)), default=0))
    body = "\n".join(line.rstrip(" ") for line in part)
    answer = f"Converted {counted(rows, 'row')} with {counted(columns, 'column')} to {new.upper()}."
    answer += f"\n\n{fence}{new}\n{body}\n{fence}"
    if len(content) > SHOWN:
        answer += f"\n\nThis is the beginning ({counted(len(part), 'line')} of {len(lines):,}); `content` holds all of it."
    return {"answer": answer, "file_name": f"{stem or 'table'}.{new}", "content": content, "rows": rows, "columns": columns}
