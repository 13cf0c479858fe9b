"""Compares two text files line by line: what was added, removed and changed, and how alike they are."""

import difflib
import re

SHOWN = 300  # lines of the difference that the answer shows; the data holds all of it
WORDS = 6000  # up to so many words in both texts likeness is measured by words, beyond by lines, which is faster
LINES = 20000  # the comparison takes time with the square of the lines that differ


def read_lines(name, which):
    """The lines of a file without their ends: UTF-8 or UTF-16 as its mark says, else latin-1, which never fails."""
    try:
        with open(name, "rb") as file:
            raw = file.read()
    except OSError:
        raise ValueError(f"The {which} file could not be opened; attach it again.") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1").replace("\x80", "€")
    if re.search("[\x00-\x08]", text):
        raise ValueError(f"The {which} file is not a text file; attach two text files.")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def trimmed(one, two):
    """How many lines are the same at the beginning and at the end; only what lies between needs the slow comparison."""
    start = 0
    while start < min(len(one), len(two)) and one[start] == two[start]:
        start += 1
    end = 0
    while end < min(len(one), len(two)) - start and one[-1 - end] == two[-1 - end]:
        end += 1
    return start, end


def opcodes(one, two):
    """difflib's operations over the whole of both lists, worked out for the part that differs."""
    start, end = trimmed(one, two)
    parts = one[start:len(one) - end], two[start:len(two) - end]
    middle = difflib.SequenceMatcher(None, *parts, autojunk=len(parts[1]) > 3000)  # long texts: common lines are no anchors
    codes = [("equal", 0, start, 0, start)] if start else []
    codes += [(tag, a + start, b + start, c + start, d + start) for tag, a, b, c, d in middle.get_opcodes()]
    if end:
        codes.append(("equal", len(one) - end, len(one), len(two) - end, len(two)))
    return codes


def likeness(one, two):
    """Twice what both have in common, divided by the length of both: 1 for equal, 0 for nothing in common."""
    same = sum(b - a for tag, a, b, _, _ in opcodes(one, two) if tag == "equal")
    return 2 * same / (len(one) + len(two)) if one or two else 1.0


def unified(one, two, codes, names):
    """The difference in the usual form with three lines around each change."""
    lines = [f"--- {names[0]}", f"+++ {names[1]}"]
    groups = difflib.SequenceMatcher(None, [], [])
    groups.opcodes = codes  # grouping needs no more than the operations, which are there already
    for group in groups.get_grouped_opcodes(3):
        a, b, c, d = group[0][1], group[-1][2], group[0][3], group[-1][4]
        spans = [str(x + 1) if y - x == 1 else f"{x + (y > x)},{y - x}" for x, y in ((a, b), (c, d))]
        lines.append(f"@@ -{spans[0]} +{spans[1]} @@")
        for tag, a, b, c, d in group:
            if tag == "equal":
                lines += [" " + line for line in one[a:b]]
            else:
                lines += ["-" + line for line in one[a:b]] + ["+" + line for line in two[c:d]]
    return lines


def counted(number, noun="line"):
    """'1 line', '12 lines'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def execute(inputs):
    """Says first whether and how far the texts differ, then shows where."""
    names = [str(inputs.get("first") or ""), str(inputs.get("second") or "")]
    if not all(names):
        raise ValueError("Two files are needed for a comparison; attach the older one first and then the newer one.")
    one, two = read_lines(names[0], "first"), read_lines(names[1], "second")
    names = [re.split(r"[/\\]", name)[-1] for name in names]
    if not one and not two:
        raise ValueError("Both files are empty; attach two files with text in them.")
    start, end = trimmed(one, two)
    if max(len(one), len(two)) - start - end > LINES:
        raise ValueError(f"The files differ over more than {LINES:,} lines; compare smaller parts of them.")
    result = {"added": 0, "removed": 0, "changed": 0, "similarity": 100.0, "diff": ""}
    if one == two:
        return {"answer": f"The two texts are **the same**: {counted(len(one))} without any difference.", **result}
    codes = opcodes(one, two)
    for tag, a, b, c, d in codes:
        if tag != "equal":  # a removed line and an added one at the same place are one changed line
            pairs = min(b - a, d - c)
            result["changed"] += pairs
            result["removed"] += b - a - pairs
            result["added"] += d - c - pairs
    words = [" ".join(lines).split() for lines in (one, two)]
    unit = "words" if len(words[0]) + len(words[1]) <= WORDS else "lines"
    share = 100 * (likeness(*words) if unit == "words" else likeness(one, two))
    result["similarity"] = round(share, 1)
    spaces_only = words[0] == words[1]
    shown = "99.9" if 99.95 <= share < 100 else "0.1" if 0 < share < 0.05 else f"{share:.1f}"
    parts = [f"{counted(result[kind])} {kind}" for kind in ("changed", "added", "removed") if result[kind]]
    lead = f"The texts are **{shown.removesuffix('.0')} % alike** (by {unit}): {', '.join(parts)}."
    if spaces_only:
        lead = f"The texts differ **only in spaces and line breaks**: {', '.join(parts)}."
    diff = unified(one, two, codes, names)
    result["diff"] = "\n".join(diff)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", result["diff"])), default=0))
    body = "\n".join(line.rstrip() for line in diff[:SHOWN])
    answer = f"{lead}\n\n{fence}diff\n{body}\n{fence}"
    if len(diff) > SHOWN:
        answer += f"\n\nThese are the first {SHOWN} of {len(diff):,} lines of the difference."
    return {"answer": answer, **result}
