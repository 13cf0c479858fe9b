"""Answers questions about per cent: a share, more or less by a share, a change, what share one number is of another."""

import re
from fractions import Fraction

# A number as people write it, and all of it: not the 3 of 1/3 or of 2.3.
N = r"(?<![\w./,])(-?(?:\d{1,3}(?:[' \u00a0]\d{3})+(?:[.,]\d+)?|\d[\d.,]*\d|\d|\.\d+))(?![\d/]|[.,]\d)"
P = r"\s*(?:%|per\s?cent(?:s|ages?)?\b|pct\b|prozent\b)"
MONEY = r"(?:[€$£¥]|\b(?:eur|usd|gbp|chf|euros?|dollars?|pounds?)\b)?"
V = rf"{MONEY}\s*{N}(?!{P})\s*{MONEY}"
INCLUDES = r"(?:includ\w+|contain\w*|inclusive of)"
MINUS = r"(?:minus|-|–|less|decreased by|reduced by|lowered by|cut by|falls by|drops by|goes down by|down)"
RISE, FALL = r"(?:add|plus|increase|raise|up|mark up|put)", r"(?:take|subtract|deduct|remove|reduce|decrease|lower|cut|drop)"
# Each rule: its kind, the order of its two numbers, its phrasing; the first that fits wins.
RULES = [(kind, order, re.compile(pattern)) for kind, order, pattern in (
    ("share_of", "part whole", rf"{V} (?:is|are|was|of these are|makes?) (?:what|which|how (?:many|much)){P} (?:of|from) {V}"),
    ("share_of", "whole part", rf"(?:what|which|how many){P} (?:of|from) (?:the |all )?{V}.{{0,20}}? (?:is|are|was|makes?) {V}"),
    ("share_of", "part whole", rf"(?:what|which|how (?:many|much)){P} (?:is|are|was|does) {V} (?:of|from|out of|make of) {V}"),
    ("share_of", "part whole", rf"{V} as (?:a |an )?{P} of {V}"),
    ("share_of", "part whole", rf"{V} (?:out of|of|/) {V}.{{0,12}}? (?:in|as)(?: a)?{P}"),
    ("share_of", "part whole", rf"{P}.{{0,30}}?{V} (?:out of|of) {V}"),
    ("whole_of", "part percent", rf"{V} (?:is|are|was) {N}{P} of (?:what|which)"),
    ("whole_of", "percent part", rf"{N}{P} of (?:what|which)\b.{{0,20}} (?:is|are|gives?|makes?) {V}"),
    ("without", "whole percent", rf"{V}.{{0,20}}? (?:{INCLUDES}|with) {N}{P}.{{0,20}}?(?:without|before|net|excluding)"),
    ("without", "whole percent", rf"(?:without|before|net|excluding).{{0,30}}? {V}.{{0,20}}? {INCLUDES} {N}{P}"),
    ("without", "whole percent", rf"{V}.{{0,20}}? {INCLUDES} {N}{P}"),
    ("change", "old new", rf"(?:was|were|used to be|cost|paid) {V}\D{{1,25}}?\b(?:now|today)\b\D{{0,15}} {V}"),
    ("change", "old new", rf"from {V} (?:up |down )?to {V}"),
    ("change", "old new", rf"(?:change|difference|growth|increase|decrease|rise|drop|fall).{{0,30}}? between {V} and {V}"),
    ("more", "percent whole", rf"{RISE} (?:a |another )?{N}{P}.{{0,20}}? (?:to|on|onto|on top of) {V}"),
    ("more", "whole percent", rf"{V} (?:plus|\+|increased by|raised by|rises by|grows by|goes up by|up) {N}{P}"),
    ("more", "whole percent", rf"(?:increase|raise|grow|mark up)s? {V} by {N}{P}"),
    ("more", "percent whole", rf"{N}{P} (?:more than|on top of|added to|above) {V}"),
    ("less", "percent whole", rf"{FALL}s? (?:a |another )?{N}{P}.{{0,20}}? (?:off|from|of) {V}"),
    ("less", "whole percent", rf"{V}.{{0,20}}? (?:{MINUS}|with|at) {N}{P}(?: off| discount| rebate|$)"),
    ("less", "whole percent", rf"{V} {MINUS} {N}{P}"),
    ("less", "whole percent", rf"{FALL}s? {V} by {N}{P}"),
    ("more", "whole percent", rf"{V}.{{0,30}}? (?:with|and|plus) (?:a |an )?{N}{P} (?:tip|tax|vat|surcharge|service|markup)"),
    ("less", "whole percent", rf"{V}\b.{{0,60}}? {N}{P} (?:off|discount|rebate|reduction|cheaper)"),
    ("less", "percent whole", rf"{N}{P} (?:off(?: of)?|less than|below|(?:discount|rebate|reduction) (?:on|off|from|of)) {V}"),
    ("less", "percent whole", rf"{N}{P} (?:off|discount|rebate|reduction)\b.{{0,60}}? {V}"),
    ("less", "percent whole", rf"(?:discount|rebate|reduction) of {N}{P} (?:on|off|from) {V}"),
    ("part_of", "percent whole", rf"{N}{P} (?:of|from|on|von) {V}"),
    ("part_of", "percent whole", rf"{N}{P}.{{0,20}}? (?:of|on) {V}"),
)]


def number(text):
    """A number as written: 1,234.5 and 1.234,5; one mark before exactly three digits groups thousands if it is a comma."""
    text = re.sub(r"['\s\u00a0]", "", text)
    comma, point = text.rfind(","), text.rfind(".")
    if comma >= 0 and point >= 0:
        text = text.replace(".", "").replace(",", ".") if comma > point else text.replace(",", "")
    elif text.count(".") > 1:
        text = text.replace(".", "")
    elif comma >= 0:
        text = text.replace(",", "") if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+", text) else text.replace(",", ".")
    if len(text) > 30 or text.count(".") > 1:
        raise ValueError("One of the numbers cannot be read; write it like 1234.5.")
    return Fraction(text)


def show(value, places=4):
    """An exact number for people, with at most four decimals."""
    rounded = round(value, places)
    text = f"{abs(rounded.numerator) * 10000 // rounded.denominator:05}"
    whole, decimals = int(text[:-4]), text[-4:].rstrip("0")
    whole = f"{whole:,}" if whole > 9999 else str(whole)
    return ("-" if rounded < 0 else "") + whole + (f".{decimals}" if decimals else "")


def work_out(kind, given):
    """The result, the sentence before it, and the way to it."""
    percent, whole, part = given.get("percent"), given.get("whole"), given.get("part")
    text = {name: show(value) for name, value in given.items()}
    if kind in ("share_of", "change"):
        base, other = (whole, part) if kind == "share_of" else (given["old"], given["new"])
        if base == 0:
            raise ValueError("A share of 0 has no meaning; the number that stands for 100 % must not be 0.")
        if kind == "share_of":
            return 100 * part / whole, f"{text['part']} of {text['whole']} is", f"{text['part']} / {text['whole']} × 100"
        value = 100 * (other - base) / abs(base)
        word = "an increase of" if value > 0 else "a decrease of" if value < 0 else "a change of"
        way = f"({text['new']} − {text['old']}) / {show(abs(base))} × 100"
        return value, f"From {text['old']} to {text['new']} is {word}", way
    if kind == "part_of":
        return percent * whole / 100, f"{text['percent']} % of {text['whole']} is", f"{text['whole']} × {text['percent']} / 100"
    if kind == "whole_of":
        if percent == 0:
            raise ValueError("0 % of any number is 0; give a share that is not 0.")
        return 100 * part / percent, f"{text['part']} is {text['percent']} % of", f"{text['part']} / {text['percent']} × 100"
    if kind == "without":
        if percent == -100:
            raise ValueError("A share of -100 % cannot be taken out of a number; give another share.")
        lead = f"{text['whole']} without the {text['percent']} % it includes is"
        return 100 * whole / (100 + percent), lead, f"{text['whole']} / (1 + {text['percent']} / 100)"
    sign, verb = (1, "plus") if kind == "more" else (-1, "minus")
    step = show(percent * whole / 100)
    way = f"{text['percent']} % of {text['whole']} is {step}; {text['whole']} {'+' if sign > 0 else '−'} {step}"
    return whole * (100 + sign * percent) / 100, f"{text['whole']} {verb} {text['percent']} % is", way


def rule(question):
    """The kind of a question and its numbers by their names, None when no rule fits."""
    for kind, order, pattern in RULES:
        if match := pattern.search(question):
            return kind, dict(zip(order.split(), map(number, match.groups())))
    return None


def execute(inputs):
    """Finds the rule that fits the question, or each part of it, and answers with the result and the way to it."""
    question = " ".join(str(inputs.get("question") or "").lower().replace("−", "-").split())[:500]
    question = re.sub(r"(?<=[\d%])\s*([+–-])\s*(?=\d)", r" \1 ", question.rstrip("?.! "))
    found = [rule(part) for part in re.split(r"; |,? and ", question)]
    if not all(found):  # 'between 80 and 100' is one question
        found = [rule(question)]
    if not all(found):
        raise ValueError("No question about per cent was understood; ask for example “15 % of 240” or “change from 80 to 100”.")
    if len(re.findall(rf"{N}{P}", question)) > sum("percent" in given for _, given in found):  # one would be passed over
        raise ValueError("More shares are named than one step uses; ask for one step after the other.")
    answers, results = [], []
    for kind, given in found:
        if any(abs(value) > 10**15 for value in given.values()):
            raise ValueError("The numbers are too large; use numbers up to a thousand million million.")
        value, lead, way = work_out(kind, given)
        unit = " %" if kind in ("share_of", "change") else ""
        places = 2 if unit and abs(value) >= 1 else 4  # shares need no more; sums keep what they have
        exact = round(value, places) == value
        said = show(abs(value) if kind == "change" else value, places)
        answers.append(f"{lead} {'' if exact else 'about '}**{said}{unit}**.\n\n"
                       f"{way} {'=' if exact else '≈'} {show(value, places)}{unit}")
        results.append({"kind": kind, "result": float(value), **{name: float(number) for name, number in given.items()}})
    return {"answer": "\n\n".join(answers), "result": results[0]["result"], "results": results}
