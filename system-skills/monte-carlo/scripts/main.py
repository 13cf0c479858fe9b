"""Answers questions about dice and the number pi by simulation, with the exact value beside it where there is one."""

import math
import random
import re
from fractions import Fraction

WORDS = {word: i for i, word in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())}
WORDS |= {"twice": 2, "thrice": 3, "twenty": 20, "hundred": 100, "thousand": 1000, "million": 1000000}
FACES = dict(zip("ones twos threes fours fives sixes".split(), range(1, 7)))
N = r"(\d+)"
COMPARE = [  # what a condition means, and the words for it; the first that fits counts
    ("between", rf"(?:between|from) {N} (?:and|to) {N}"),
    (">=", rf"(?:at least|>=|≥|no(?:t)? (?:less|fewer|lower) than|minimum of) {N}|"
           rf"{N} ?(?:\+|(?:or|and) (?:more|higher|better|above|over|greater|bigger|up))"),
    ("<=", rf"(?:at most|<=|≤|no(?:t)? (?:more|higher) than|up to|maximum of) {N}|"
           rf"{N} (?:or|and) (?:less|lower|fewer|below|under|smaller)"),
    (">", rf"(?:more|greater|higher|bigger|larger) than {N}|(?:over|above|exceeds?|exceeding|beats?|beating|>) {N}"),
    ("<", rf"(?:less|lower|smaller|fewer) than {N}|(?:under|below|<) {N}"),
]
SAY = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than", "==": "exactly", "between": "between"}
RUNS = re.compile(r"\b(\d{2,})(?= (?:rolls|throws) of \d+d\d)|\b(\d{3,})(?: random| simulated| monte carlo)* (?:points?|darts?|"
                  r"samples?|trials?|simulations?|throws?|runs?|iterations?|experiments?|rolls?|tries|games?|times|repetitions?)\b")
MOST = 2_000_000  # random numbers in one run


def digits(text):
    """Number words as digits, so that every later pattern has to know digits only."""
    text = re.sub(r"(?<=\d),(?=\d{3}\b)", "", text)
    text = re.sub(r"\b(\d+) ?k\b", r"\g<1>000", text)
    text = re.sub(r"[a-z]+", lambda m: str(WORDS.get(m[0], f"{FACES[m[0]]}s" if m[0] in FACES else m[0])), text)
    text = re.sub(r"\b(\d{1,3}) (100|1000|1000000)\b", lambda m: str(int(m[1]) * int(m[2])), text)
    of_dice = rf"\b{N} (?:out )?of (?:the )?{N} dice\b(.*?) (?:show|shows|are|come up) (?:an? )?{N}s?\b"
    text = re.sub(of_dice, r"\1 \4s with \2 dice\3", text)  # 'two of five dice show a six'
    text = re.sub(rf"{N} (?:or|and) (?:more|up) {N}(?=s)", r"at least \1 \2", text)  # '2 or more sixes'
    return re.sub(rf"{N} or (?:less|fewer) {N}(?=s)", r"at most \1 \2", text)


def find_dice(question):
    """The dice as [(count, sides)], a number to add, their short form, and the question without them."""
    kind = r"(?:(?:fair|standard|normal|ordinary|regular|six[- ]sided|single|different) )*"
    question = re.sub(rf"(?:\b{N} )?{kind}{N}[- ]sided (?:dice|die|dies)", lambda m: f"{m[1] or 1}d{m[2]}", question)
    question = re.sub(rf"\b{N} {kind}(?:dice|dices|die)\b", r"\1d6", question)
    question = re.sub(rf"\b(?:a|the|one) {kind}(?:dice|die)\b", "1d6", question)
    # 'a die 4 times', '4 rolls of 1d6' and '4 rolls' are four dice
    question = re.sub(rf"\b(?:1?d)(\d+)\b(.*?) {N} (?:times|rolls|throws)\b", r"\3d\1\2", question)
    question = re.sub(rf"\b{N} (?:rolls|throws|tosses) of 1?d(\d+)", r"\1d\2", question)
    if not re.search(r"\b\d*d\d", question):
        question = re.sub(rf"\b{N} (?:rolls|throws)\b", r"\1d6", question)
    found = list(re.finditer(r"\b\d*d(?:\d+|%)(?: ?[+-] ?(?:\d*d(?:\d+|%)|\d+\b))*", question))
    if len(found) > 1:
        raise ValueError("Only one sum of dice can be looked at; ask about one such as 2d6+1d4.")
    if not found or re.search(r"drop|keep|advantage|highest|lowest|explod|reroll|coin|card", question):
        raise ValueError("No sum of dice was understood; ask for example “chance that 3d6 is at least 15” or “estimate pi”.")
    dice, plus = [], 0
    for sign, count, sides, constant in re.findall(r"([+-]?) ?(?:(\d*)d(\d+|%)|(\d+))", found[0][0]):
        if sides and sign == "-":
            raise ValueError("Dice cannot be subtracted here; use sums such as 2d6+3.")
        if max(map(len, (count, sides, constant))) > 6:
            raise ValueError("That are too many dice or sides; use up to 1,000 dice with up to 10,000 sides.")
        if sides:
            dice.append((int(count or 1), 100 if sides == "%" else int(sides)))
        else:
            plus += int(constant) * (-1 if sign == "-" else 1)
    if not all(1 <= count <= 1000 and 1 <= sides <= 10000 for count, sides in dice) or sum(count for count, _ in dice) > 1000:
        raise ValueError("Use 1 to 1,000 dice with 1 to 10,000 sides each.")
    return dice, plus, found[0][0].replace(" ", ""), question[:found[0].start()] + "dice" + question[found[0].end():]


def condition(rest, dice):
    """(operator, a, b, face): a condition on the sum, or on how many dice show a face; None if there is none."""
    face = re.search(r"(?:(?P<how>at least|at most|exactly|more than|less than) )?\b(?P<n>\d+|no|any|a) "
                     r"(?P<face>\d+)(?P<s>s|es)?\b", rest)
    one = face and face["n"] in ("a", "any")  # 'a six with four dice' is at least one, unless a sum is meant
    if one and len(dice) > 1 and int(face["face"]) <= max(dice) and not re.search("sum|total", rest) and not face["how"]:
        return ">=", 1, 0, int(face["face"])
    if face and not one and (face["how"] or face["n"] == "no" or face["s"]):
        how = {"at most": "<=", "more than": ">", "less than": "<", "exactly": "=="}.get(face["how"], ">=")
        return ("==", 0, 0, int(face["face"])) if face["n"] == "no" else (how, int(face["n"]), 0, int(face["face"]))
    for operator, words in COMPARE:
        if match := re.search(words, rest):
            numbers = [int(value) for value in match.groups() if value]
            return operator, numbers[0], numbers[-1], None
    numbers = re.findall(r"(?<![\d.])\d+(?![\d.]*\d)", rest)
    if len(numbers) > 1:
        raise ValueError("The condition was not understood; say it like “at least 15”, “exactly 7” or “between 4 and 8”.")
    return ("==", int(numbers[0]), 0, None) if numbers else None


def holds(operator, value, a, b):
    """Whether a value meets a condition."""
    return {">=": value >= a, "<=": value <= a, ">": value > a, "<": value < a, "==": value == a,
            "between": a <= value <= b}[operator]


def exact_ways(dice):
    """How many ways lead to each sum, from the smallest on; None if that would take too long."""
    if sum(count for count, _ in dice) * sum(count * sides for count, sides in dice) > 300_000:
        return None
    ways = [1]
    for count, sides in dice:
        for _ in range(count):
            sums, window = [], 0
            for i in range(len(ways) + sides - 1):  # a sliding window adds all faces in one step
                window += (ways[i] if i < len(ways) else 0) - (ways[i - sides] if i >= sides else 0)
                sums.append(window)
            ways = sums
    return ways


def percent(share):
    """0.0926 -> '9.26 %', with more decimals for the very rare and the nearly certain."""
    if share in (0, 1):
        return f"{100 * share:.0f} %"
    rare = min(share, 1 - share)
    return f"{100 * share:.{2 if rare >= 0.001 else min(12, -math.floor(math.log10(rare)))}f} %"


def whole(value, name, low, high, default):
    """An input as a whole number within limits."""
    try:
        value = default if value is None or value == "" else int(float(str(value).replace(",", "")))
    except (ValueError, OverflowError):
        raise ValueError(f"The {name} must be a whole number such as {default}.") from None
    if not low <= value <= high:
        raise ValueError(f"The {name} must lie between {low:,} and {high:,}.")
    return value


def estimate_pi(points, seed):
    """The share of random points of a square that lie within a quarter of a circle is pi / 4."""
    rng = random.Random(seed)
    inside = sum(rng.random() ** 2 + rng.random() ** 2 <= 1 for _ in range(points))
    value, margin = 4 * inside / points, 1.96 * math.sqrt(math.pi * (4 - math.pi) / points)
    answer = f"With {points:,} random points pi comes out as **{value:.5f}** (really 3.14159).\n\n"
    answer += f"{inside:,} of the points lay within the quarter circle; 4 × {inside:,} / {points:,} = {value:.5f}. "
    answer += f"The estimate is off by {abs(value - math.pi):.5f}; "
    answer += f"19 of 20 estimates with so many points are off by less than {margin:.5f}."
    return {"answer": answer, "estimate": value, "exact": math.pi, "points": points, "inside": inside, "seed": seed}


def execute(inputs):
    """Rolls as often as asked with a seeded generator, so that the same question always has the same answer."""
    question = digits(" ".join(str(inputs.get("question") or "").lower().split())[:500])
    named = re.search(r"\bseed\b\W*(?:of|is)?\W*(\d+)", question)
    seed = whole(named[1] if named and inputs.get("seed") in (None, "", 1) else inputs.get("seed"), "seed", 0, 2**53, 1)
    question = question.replace(named[0], "") if named else question
    runs = RUNS.search(question)
    asked = inputs.get("trials") or (runs[1] or runs[2] if runs else None)
    if re.search(r"\bpi\b|π", question):
        return estimate_pi(whole(asked, "number of points", 10, MOST // 2, 100_000), seed)
    question = question.replace(runs[0], "") if runs else question
    dice, plus, name, rest = find_dice(question)
    total = sum(count for count, _ in dice)
    trials = whole(asked, "number of rolls", 10, MOST // total, min(20_000, MOST // total))
    faces = [sides for count, sides in dice for _ in range(count)]
    test = condition(rest, faces)
    rng = random.Random(seed)
    rolls = [[int(rng.random() * sides) + 1 for sides in faces] for _ in range(trials)]
    sums = [sum(roll) + plus for roll in rolls]
    result = {"dice": name, "trials": trials, "seed": seed}
    if not test:
        mean = sum(Fraction(count * (sides + 1), 2) for count, sides in dice) + plus
        deviation = math.sqrt(sum(count * (sides * sides - 1) / 12 for count, sides in dice))
        simulated, margin = sum(sums) / trials, 1.96 * deviation / math.sqrt(trials)
        text = f"{float(mean):.1f}".removesuffix(".0")
        answer = f"The expected sum of {name} is **{text}**.\n\n| Value | Result |\n|---|---:|\n| Expected, exact | {text} |\n"
        answer += f"| Mean of {trials:,} simulated rolls | {simulated:.3f} (± {margin:.3f}) |\n"
        answer += f"| Standard deviation, exact | {deviation:.3f} |\n| Smallest possible | {total + plus} |\n"
        answer += f"| Largest possible | {sum(faces) + plus} |"
        return {"answer": answer, "exact": float(mean), "simulated": simulated, "standard_deviation": deviation, **result}
    operator, a, b, face = test
    exact = None
    if face is None:
        hits = sum(holds(operator, value, a, b) for value in sums)
        if ways := exact_ways(dice):
            exact = Fraction(sum(n for i, n in enumerate(ways) if holds(operator, i + total + plus, a, b)), math.prod(faces))
        event = f"{name} is {SAY[operator]} {a}" + (f" and {b}" if operator == "between" else "")
    else:
        hits = sum(holds(operator, roll.count(face), a, b) for roll in rolls)
        if len(set(faces)) == 1 and total <= 100:
            chance = Fraction(1 if 1 <= face <= faces[0] else 0, faces[0])
            counts = [k for k in range(total + 1) if holds(operator, k, a, b)]
            exact = sum((math.comb(total, k) * chance**k * (1 - chance) ** (total - k) for k in counts), Fraction(0))
        event = f"{SAY[operator]} {a} {'die' if a == 1 else 'dice'} of {name} show{'s' if a == 1 else ''} a {face}"
        if (operator, a) == ("==", 0):
            event = f"no die of {name} shows a {face}"
    simulated = hits / trials
    margin = 196 * math.sqrt(max(simulated * (1 - simulated), 1 / trials) / trials)
    best = simulated if exact is None else float(exact)
    fraction = f" ({exact})" if exact is not None and 1 < exact.denominator < 10**9 else ""
    answer = f"The chance that {event} is {'about ' if exact is None else ''}**{percent(best)}**{fraction}.\n\n"
    answer += "| Way | Chance |\n|---|---:|\n"
    answer += f"| Exact | {percent(best)} |\n" if exact is not None else ""
    answer += f"| Simulated, {hits:,} of {trials:,} rolls | {percent(simulated)} (± {margin:.2f}) |"
    return {"answer": answer, "exact": None if exact is None else best, "simulated": simulated, "hits": hits, **result}
