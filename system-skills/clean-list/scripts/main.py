"""Tidies a list: sorts it, removes duplicates and blank lines, numbers it, or counts how often each entry occurs."""

import collections
import re
import unicodedata

SHOWN = 500  # entries the answer shows; the data holds all of them
ACTIONS = {  # action: the words of a request that ask for it
    "count": r"(?:find|show|which|what|who|any|are there)\b[^:]*\b(?:duplicates?|repeats?|doubles?|twice|more than once)|"
             r"count(?:s|ed|ing)?|how (?:often|many times|many of)|tally|frequenc\w+|occurrences?|occurs?",
    "dedupe": r"duplicates?|doubles?|repeat\w*|copies|dedup\w*|de-?duplicate\w*|unique|distinct|only once|just once|"
              r"clean(?:ed)?(?: up)?|tidy(?: up)?",
    "blank": r"blanks?|empty (?:lines|ones|entries)",
    "sort": r"sort\w*|order(?:ed)?|alphabeti\w+|a ?(?:-|–|to) ?z|z ?(?:-|–|to) ?a|arrange\w*|ascending|descending",
    "number": r"numbered|numbering|(?:and|then|please) number|number (?:them|it|the|each|every|all|my|these|and)|"
              r"with numbers|enumerat\w*",
}
BACKWARD = r"descending|revers\w+|backwards?|z ?(?:-|–|to) ?a|largest first|highest first|biggest first"


def split(request):
    """The instruction and the list of a request: 'sort these: b, a', or a list on new lines."""
    parts = re.split(r":\s+|\n", request, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else (request, "")


def read_text(name):
    """The text of a file: UTF-8 or UTF-16 as its mark says, else latin-1, which never fails."""
    try:
        with open(name, "rb") as file:
            raw = file.read()
    except OSError:
        raise ValueError("The file could not be opened; attach it again.") from None
    try:
        text = raw.decode("utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if re.search("[\x00-\x08]", text):
        raise ValueError("This is not a text file; attach a .txt or .md file with one entry on each line.")
    return text


def entries(text):
    """The entries without spaces, list marks and old numbers around them: one a line, or split at ; or , on a single line."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if len([line for line in lines if line.strip()]) == 1:
        mark = ";" if ";" in text else ","
        *lines, last = text.split(mark)
        last = re.sub(r"^\s*(?:and|und|or)\s|\.\s*$", "", last)
        split_last = mark == "," and lines and not any(" and " in line for line in lines)  # 'a, b and c' are three
        lines += last.split(" and ", 1) if split_last else [last]
    filled = [line.strip() for line in lines if line.strip()]
    bullet = r"^(?:[-*+•–]\s+(?:\[[ x]\]\s+)?|\d{1,4}[.)]\s+)"
    if filled and all(re.match(bullet, line) for line in filled):
        lines = [re.sub(bullet, "", line.strip()) for line in lines]
    return [" ".join(line.split()) for line in lines]


def number(entry):
    """A number as a sort key, None for other text. 1,234.5 and 12 are numbers; so is 3.5."""
    plain = entry.replace(",", "") if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", entry) else entry
    return float(plain) if re.fullmatch(r"[+-]?\d{1,15}(\.\d{1,15})?", plain) else None


def folded(entry):
    """A sort key as in a dictionary: case and accents count only between otherwise equal words, numbers by their size."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", entry.casefold()) if not unicodedata.combining(c))
    parts = re.findall(r"[0-9]{1,15}|[^0-9]+", bare)
    return [(0, int(part), "") if part[0] in "0123456789" else (1, 0, part) for part in parts], entry.casefold(), entry


def counted(n, noun, plural=None):
    """'1 entry', '3 entries'."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def execute(inputs):
    """Does what the request names; a request that names nothing gets blank lines and duplicates removed."""
    request = str(inputs.get("request") or "").strip()
    instruction, text = split(request)
    if inputs.get("file"):
        text = read_text(str(inputs["file"]))
        instruction = request
    elif inputs.get("text"):
        text, instruction = str(inputs["text"]), request
    found = entries(text)
    kept = [entry for entry in found if entry]
    if not kept:
        raise ValueError("There is no list to clean; write the entries after a colon or attach a text file with one a line.")
    asked = f"{instruction} {inputs.get('actions') or ''}".lower()
    asked = re.sub(r"\b(?:keep|with|leave)(?: \w+)? (?:duplicates|repeats|doubles)\b", " ", asked)
    asked = re.sub(r"(?:keep\w*|original|same|current) (?:the |its |their )?(?:original |same |current )?order\b", " ", asked)
    actions = [name for name, words in ACTIONS.items() if re.search(rf"\b(?:{words})\b", asked)]
    actions = actions or ["dedupe"]
    blank = len(found) - len(kept) if "\n" in text else 0
    same_case = re.search(r"ignor\w+ (?:the )?(?:upper|lower|capital|case)|case[- ]insensitive|regardless of case", asked)
    fold = str.casefold if same_case else str
    counts, first = collections.Counter(map(fold, kept)), {}
    for entry in kept:
        first.setdefault(fold(entry), entry)
    repeated = len(kept) - len(first)
    if "count" in actions:
        ranking = sorted(counts.items(), key=lambda pair: (-pair[1], folded(pair[0])))
        top = ranking[0][1]
        often = [first[key] for key, n in ranking if n == top]
        lead = f"The list has **{counted(len(kept), 'entry', 'entries')}, {len(first):,} of them different**"
        who = " and ".join(often) if len(often) < 4 else f"{len(often)} of them"
        many = f"{who} {'occurs' if len(often) == 1 else 'occur'} most often ({top:,} times)"
        lead += f"; {many if top > 1 else 'none occurs twice'}."
        rows = [f"| {first[key].replace('|', chr(92) + '|')} | {n:,} |" for key, n in ranking[:SHOWN]]
        answer = "\n".join([lead, "", "| Entry | Count |", "|---|---:|"] + rows)
        listed = [first[key] for key, _ in ranking]
    else:
        listed = list(first.values()) if "dedupe" in actions else list(kept)
        gone = [counted(repeated, "duplicate")] * bool(repeated and "dedupe" in actions)
        gone += [counted(blank, "blank line")] * bool(blank)
        done = ["removed " + " and ".join(gone)] if gone else []
        if not gone and ("dedupe" in actions or actions == ["blank"]):
            done = ["found no duplicates" if "dedupe" in actions else "found no blank lines"]
        if "sort" in actions:
            numeric = all(number(entry) is not None for entry in listed)
            back = bool(re.search(rf"\b(?:{BACKWARD})\b", asked))
            listed.sort(key=number if numeric else folded, reverse=back)
            done.append(f"sorted it {'by size' if numeric else 'alphabetically'}{' backwards' if back else ''}")
        done += ["numbered it"] if "number" in actions else []
        words = done[0] + (", then " + " and ".join(done[1:]) if done[1:] else "")
        lead = f"The list now has **{counted(len(listed), 'entry', 'entries')}**; I {words}."
        width = len(str(len(listed)))
        body = [f"{i:>{width}}. {entry}" if "number" in actions else entry for i, entry in enumerate(listed[:SHOWN], 1)]
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        answer = "\n".join([lead, "", f"{fence}text"] + body + [fence])
    if len(listed) > SHOWN:
        answer += f"\n\nThese are the first {SHOWN} of {len(listed):,} entries."
    near = len(first) - len({key.casefold() for key in first})
    if near and ("dedupe" in actions or "count" in actions):
        answer += f"\n\n{counted(near, 'entry', 'entries')} {'differs' if near == 1 else 'differ'} from another"
        answer += " only in capital letters and stayed."
    return {"answer": answer, "entries": listed, "counts": [{"entry": first[key], "count": counts[key]} for key in first],
            "duplicates_removed": repeated if "dedupe" in actions and "count" not in actions else 0, "blank_lines": blank}
