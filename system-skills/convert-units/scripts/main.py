"""Converts between units of length, mass, temperature, volume, area, speed, time and data with their exact factors."""

import math
import re
from fractions import Fraction

# Every line: kind | names, the first singular and plural ones are shown | factor to the base unit of the kind.
UNITS = """
length|millimetre|millimetres|mm|millimeter|millimeters|1/1000
length|centimetre|centimetres|cm|centimeter|centimeters|1/100
length|decimetre|decimetres|dm|decimeter|decimeters|1/10
length|metre|metres|m|meter|meters|1
length|kilometre|kilometres|km|kms|kilometer|kilometers|1000
length|micrometre|micrometres|µm|μm|um|micron|microns|micrometer|micrometers|1/1000000
length|nanometre|nanometres|nm|nanometer|nanometers|1/1000000000
length|inch|inches|in|127/5000
length|foot|feet|ft|381/1250
length|yard|yards|yd|yds|1143/1250
length|mile|miles|mi|201168/125
length|nautical mile|nautical miles|nmi|sea mile|sea miles|1852
length|light year|light years|light-year|light-years|ly|9460730472580800
mass|milligram|milligrams|mg|1/1000000
mass|gram|grams|g|gr|gramme|grammes|1/1000
mass|kilogram|kilograms|kg|kgs|kilo|kilos|kilogramme|kilogrammes|1
mass|tonne|tonnes|t|metric ton|metric tons|ton|tons|1000
mass|US ton|US tons|short ton|short tons|45359237/50000
mass|imperial ton|imperial tons|long ton|long tons|uk ton|uk tons|635029318/625000
mass|ounce|ounces|oz|45359237/1600000000
mass|pound|pounds|lb|lbs|45359237/100000000
mass|stone|stone|st|stones|635029318/100000000
mass|carat|carats|ct|1/5000
volume|millilitre|millilitres|ml|milliliter|milliliters|1/1000
volume|cubic centimetre|cubic centimetres|cm³|cm3|cc|cubic centimeter|cubic centimeters|1/1000
volume|centilitre|centilitres|cl|centiliter|centiliters|1/100
volume|decilitre|decilitres|dl|deciliter|deciliters|1/10
volume|litre|litres|l|liter|liters|ltr|1
volume|cubic metre|cubic metres|m³|m3|cubic meter|cubic meters|1000
volume|cubic inch|cubic inches|in³|in3|cu in|2048383/125000000
volume|cubic foot|cubic feet|ft³|ft3|cu ft|55306341/1953125
volume|US gallon|US gallons|gallon|gallons|gal|473176473/125000000
volume|US quart|US quarts|quart|quarts|qt|473176473/500000000
volume|US pint|US pints|pint|pints|pt|473176473/1000000000
volume|US cup|US cups|cup|cups|473176473/2000000000
volume|US fluid ounce|US fluid ounces|fluid ounce|fluid ounces|fl oz|fl. oz|floz|473176473/16000000000
volume|US tablespoon|US tablespoons|tablespoon|tablespoons|tbsp|473176473/32000000000
volume|US teaspoon|US teaspoons|teaspoon|teaspoons|tsp|157725491/32000000000
volume|imperial gallon|imperial gallons|uk gallon|uk gallons|british gallon|british gallons|454609/100000
volume|imperial pint|imperial pints|uk pint|uk pints|british pint|british pints|454609/800000
volume|imperial fluid ounce|imperial fluid ounces|uk fluid ounce|uk fluid ounces|454609/16000000
area|square millimetre|square millimetres|mm²|mm2|sq mm|square millimeter|square millimeters|1/1000000
area|square centimetre|square centimetres|cm²|cm2|sq cm|square centimeter|square centimeters|1/10000
area|square metre|square metres|m²|m2|sqm|sq m|square meter|square meters|1
area|are|ares|100
area|hectare|hectares|ha|10000
area|square kilometre|square kilometres|km²|km2|sq km|square kilometer|square kilometers|1000000
area|square inch|square inches|in²|in2|sq in|16129/25000000
area|square foot|square feet|ft²|ft2|sq ft|sqft|145161/1562500
area|square yard|square yards|yd²|yd2|sq yd|1306449/1562500
area|acre|acres|316160658/78125
area|square mile|square miles|mi²|mi2|sq mi|40468564224/15625
speed|metre per second|metres per second|m/s|meter per second|meters per second|mps|1
speed|kilometre per hour|kilometres per hour|km/h|kmh|kph|kilometer per hour|kilometers per hour|km per hour|5/18
speed|mile per hour|miles per hour|mph|mi/h|miles an hour|1397/3125
speed|foot per second|feet per second|ft/s|fps|381/1250
speed|knot|knots|kn|kt|kts|463/900
time|millisecond|milliseconds|ms|1/1000
time|second|seconds|s|sec|secs|1
time|minute|minutes|min|mins|60
time|hour|hours|h|hr|hrs|3600
time|day|days|d|86400
time|week|weeks|wk|wks|604800
time|year|years|yr|yrs|31557600
"""
DATA = [("bit", 1, "bit"), ("byte", 8, "B")]
PREFIXES = [("kilo", "k", 1000), ("mega", "M", 1000**2), ("giga", "G", 1000**3), ("tera", "T", 1000**4), ("peta", "P", 1000**5),
            ("kibi", "Ki", 1024), ("mebi", "Mi", 1024**2), ("gibi", "Gi", 1024**3),
            ("tebi", "Ti", 1024**4), ("pebi", "Pi", 1024**5)]
TEMPERATURES = {"°C": "°c c celsius centigrade", "°F": "°f f fahrenheit", "K": "k kelvin kelvins"}
FORMULAS = {("°C", "°F"): "°F = °C × 9 / 5 + 32", ("°F", "°C"): "°C = (°F − 32) × 5 / 9", ("°C", "K"): "K = °C + 273.15",
            ("K", "°C"): "°C = K − 273.15", ("°F", "K"): "K = (°F − 32) × 5 / 9 + 273.15",
            ("K", "°F"): "°F = (K − 273.15) × 9 / 5 + 32"}


def catalogue():
    """Every name of every unit in lower case -> (kind, singular, plural, factor). Only bits and bytes mind the case."""
    units = {}
    for line in UNITS.strip().split("\n"):
        kind, *names, factor = line.split("|")
        unit = (kind, names[0], names[1], Fraction(factor))
        units.update({name.lower(): unit for name in names})
    for name, bits, letter in DATA:
        for prefix, short, factor in [("", "", 1)] + PREFIXES:
            unit = ("data", prefix + name, prefix + name + "s", Fraction(factor * bits))
            units.update({prefix + name: unit, prefix + name + "s": unit, (short + letter).lower(): unit})
    for prefix, short, factor in PREFIXES[:5]:  # Mb is a megabit, MB and mb are megabytes
        units["case:" + short + "b"] = ("data", prefix + "bit", prefix + "bits", Fraction(factor))
    for name, words in TEMPERATURES.items():
        for word in words.split():
            for before in ("", "° ", "degree ", "degrees ", "deg "):
                units[before + word] = ("temperature", name, name, None)
    return units


ALL = catalogue()
NAME = "|".join(re.escape(name) for name in sorted(ALL, key=len, reverse=True) if not name.startswith("case:"))
UNIT = rf"(?<![a-z])({NAME})(?![a-z²³\d])"
NUMBER = r"(-?(?:\d+ )?\d+/\d+|-?\d{1,3}(?:[ ']\d{3})+(?:[.,]\d+)?|-?\d[\d.,]*(?:e[+-]?\d{1,2})?|-?[.,]\d+|\ban?\b|\bone\b|½|¼|¾)"
PART = rf"{NUMBER}\s*{UNIT}"


def lookup(name):
    """The unit of a name as written."""
    return ALL.get("case:" + name) or ALL[name.lower()]


def number(text):
    """'1,234.5', '1.234,5', '1 1/2' and 'a' as an exact fraction."""
    if text.lower() in ("a", "an", "one"):
        return Fraction(1)
    if text in "½¼¾":
        return {"½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}[text]
    try:
        if "/" in text:
            sign = -1 if text[0] == "-" else 1
            return sign * sum(map(Fraction, text.lstrip("-").split()))
        text = re.sub(r"[' ]", "", text).rstrip(".,")
        comma, point = text.rfind(","), text.rfind(".")
        if comma >= 0 and point >= 0:
            text = text.replace(".", "").replace(",", ".") if comma > point else text.replace(",", "")
        elif comma >= 0:
            text = text.replace(",", "") if re.fullmatch(r"-?[1-9]\d{0,2}(,\d{3})+", text) else text.replace(",", ".")
        elif point >= 0 and text.count(".") > 1:
            text = text.replace(".", "")
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError("The number cannot be read; write it like 1234.5.") from None


def celsius(value, name, back=False):
    """From a temperature to degrees Celsius, or back."""
    if name == "K":
        return value + Fraction(27315, 100) * (1 if back else -1)
    if name == "°F":
        return value * Fraction(9, 5) + 32 if back else (value - 32) * Fraction(5, 9)
    return value


def show(value, places=None):
    """A fraction for people: all digits if they are few, else six that count (or `places` decimals); True if exact."""
    size = math.floor(math.log10(abs(value))) if value else 0
    text = f"{float(value):.15f}".rstrip("0") if abs(value) < 10**6 else f"{float(value):.2f}"
    if value.denominator == 1 and size < 18:
        text = str(value.numerator)
    elif places is not None or Fraction(text) != value or len(re.sub(r"\D", "", text)) > 10 and text[-3:-2] not in (".", ""):
        places = 5 - size if places is None else places
        text = f"{float(value):.{max(places, 0)}f}" if places <= 15 and size < 15 else f"{float(value):.5e}"
    if "e" in text:
        return text, False
    whole, _, decimals = text.partition(".")
    whole, decimals = f"{int(whole):,}" if len(whole.lstrip("-")) > 4 else whole, decimals.rstrip("0")
    return ("0" if whole == "-0" and not decimals else whole) + (f".{decimals}" if decimals else ""), Fraction(text) == value


def named(value, unit):
    """A given number as it was given, with its unit: '1 mile', '0.5 kilometres'."""
    return f"{show(value, 10 if 10**-4 < abs(value) < 10**12 else None)[0]} {unit[1] if value == 1 else unit[2]}"


def understand(question):
    """The given parts [(number, unit)] and the unit to convert to."""
    parts = rf"{PART}(?:[\s,]*(?:and )?{PART})?"
    for pattern in (rf"how (?:many|much) {UNIT}\D{{0,30}}?\b(?P<parts>{parts})",
                    rf"(?P<parts>{parts})[^\d=]{{0,40}}?(?:\b(?:in|to|into|as|how many)|=|->|→)\s*(?:the |how many )?{UNIT}",
                    rf"(?:in|to|into|as) {UNIT}\W+(?:is |are |of )?(?P<parts>{parts})"):
        if match := re.search(pattern, question, re.IGNORECASE):
            rest = [name for name in match.groups() if name and re.fullmatch(NAME, name, re.IGNORECASE)]
            target = rest[-1] if pattern.startswith("(?P") else rest[0]
            return re.findall(PART, match["parts"], re.IGNORECASE), target
    raise ValueError("No conversion was understood; ask for example “5 miles in km” or “how many cups are in 2 litres”.")


def execute(inputs):
    """Converts exactly with fractions and rounds only for the eye."""
    question = " ".join(str(inputs.get("question") or "").replace("−", "-").replace("’", "'").split())[:400]
    question = re.sub(r"(?<=\d) ?['′] ?(\d+(?:\.\d+)?)(?: ?[\"″])?", r" ft \1 in", question)  # 6'2"
    question = re.sub(r"(?<=\d) ?['′]", " ft", re.sub(r"(?<=\d) ?[\"″]", " in", question))
    question = re.sub(r"((?:ft|feet|foot) \d{1,2})(?=,|\W*$| (?:in|to|into|as) [a-z]+\W*$)", r"\1 in", question)  # 5 ft 11
    parts, target = understand(question)
    goal, given = lookup(target), [(number(value), lookup(unit)) for value, unit in parts]
    if goal[0] == "volume":  # ounces of a liquid are fluid ounces
        given = [(value, ALL["fl oz"] if unit[1] == "ounce" else unit) for value, unit in given]
    kinds = {unit[0] for _, unit in given}
    if kinds != {goal[0]}:
        other = next((unit for _, unit in given if unit[0] != goal[0]), given[0][1])
        raise ValueError(f"{other[2]} measure {other[0]} and {goal[2]} {goal[0]}; name two units of the same kind.".capitalize())
    if any(abs(value) > 10**30 for value, _ in given):
        raise ValueError("The number is too large; use one with at most 30 digits.")
    if goal[0] == "temperature":
        value, source = given[0]
        base = celsius(value, source[1])
        if base < Fraction(-27315, 100):
            raise ValueError("That is colder than absolute zero (-273.15 °C); give a higher temperature.")
        result = celsius(base, goal[1], back=True)
        rule = FORMULAS.get((source[1], goal[1]), "the units are the same")
    else:
        result = sum(value * unit[3] for value, unit in given) / goal[3]
        rules = []
        for _, unit in given:
            one, other = (unit, goal) if unit[3] >= goal[3] / 1000 else (goal, unit)
            text, whole = show(one[3] / other[3])
            rules.append(f"1 {one[1]} {'=' if whole else '≈'} {text} {other[1] if text == '1' else other[2]}")
        rule = ", ".join(dict.fromkeys(rules))
    text, whole = show(result, 2 if goal[0] == "temperature" else None)
    verb = "is" if goal[0] == "temperature" or len(given) == 1 and given[0][0] == 1 else "are"
    source_text = " ".join(named(value, unit) for value, unit in given)
    answer = f"{source_text} {verb} {'' if whole else 'about '}**{text} {goal[1] if result == 1 else goal[2]}**.\n\n{rule}"
    return {"answer": answer, "result": float(result), "unit": goal[1], "kind": goal[0], "exact": whole,
            "given": [{"value": float(value), "unit": unit[1]} for value, unit in given]}
