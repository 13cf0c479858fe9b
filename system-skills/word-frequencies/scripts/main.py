"""Counts the words of a text and lists the most frequent ones, leaving out the common words of English or German."""

import collections
import re

STOP = {
    "English": """a about above after again against all also am an and any are as at be because been before being below
        between both but by can cannot could did do does doing don't down during each either even ever every few for from
        further get had has have having he her here hers herself him himself his how i i'm if in into is isn't it it's its
        itself just let may me might more most much must my myself neither no nor not of off on once one only or other our
        ours ourselves out over own per rather same shall she should since so some still such than that that's the their
        theirs them themselves then there these they this those though through thus to too under until up upon us very was
        we were what when where whether which while who whom whose why will with within without would yet you your yours
        yourself yourselves can't didn't doesn't wasn't won't wouldn't couldn't i'll i've we're they're you're there's what's let's
        shouldn't haven't hasn't aren't weren't""",
    "German": """ab aber alle allem allen aller alles als also am an ander andere anderen auch auf aus außer bei beim bin bis
        bist da dabei dadurch dafür damit danach dann daran darauf darf das dass davon dazu dein deine dem den denn der des
        deshalb dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er
        es etwa etwas euch euer für gegen hab habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem
        ihren ihrer im immer in indem ins ist ja je jede jedem jeden jeder jedes jedoch jene kann kein keine keinem keinen
        können könnte man manche mehr mein meine meinem meinen meiner mich mir mit muss müssen nach nicht nichts noch nun
        nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so solche soll sollen sollte sondern sonst
        sowie über um und uns unser unsere unter viel vom von vor wann war waren warum was weg weil weiter welche wenn wer
        werden wie wieder will wir wird wo würde würden zu zum zur zwar zwischen""",
}
SMALL = dict(zip("one two three four five six seven eight nine ten twelve fifteen twenty".split(),
                 (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20)))


def split(request):
    """The instruction and the text of a request: 'count the words of: …', 'words in “…”', or text on new lines."""
    quoted = re.fullmatch(r'([^“"„«\n]*)[“"„«](.+)[”"“»][\s.?!]*', request, re.DOTALL)
    if quoted and ": " not in quoted[1]:
        return quoted[1], quoted[2]
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
        raise ValueError("This is not a text file; attach a .txt or .md file.")
    return text


def how_many(inputs, instruction):
    """How many words to list: the input, else 'top 5' or 'the five most …' in the instruction, else ten."""
    try:
        top = int(inputs["top"]) if inputs.get("top") not in (None, "") else None
    except (TypeError, ValueError, OverflowError):
        raise ValueError("The number of words to list must be a whole number such as 10.") from None
    if top is None:
        number = rf"(\d{{1,9}}|{'|'.join(SMALL)})"
        match = re.search(rf"\btop[- ]{number}\b|\b{number} (?:most|commonest|words)\b", instruction.lower())
        word = (match[1] or match[2]) if match else "10"
        top = SMALL.get(word) or int(word)
    if not 1 <= top <= 1000:
        raise ValueError("The number of words to list must lie between 1 and 1000.")
    return top


def counted(number, noun):
    """'1 word', '12 words'."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def execute(inputs):
    """Counts all words, lists the most frequent ones, and says which words were left out of the list."""
    instruction, text = split(str(inputs.get("request") or "").strip())
    if inputs.get("file"):
        text = read_text(str(inputs["file"]))
    elif inputs.get("text"):
        text = str(inputs["text"])
    top = how_many(inputs, instruction)
    # A word is letters with apostrophes or hyphens inside: don't, Baden-Württemberg. Digits and underscores end it.
    words = [word.lower().replace("’", "'") for word in re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", text)]
    if not words:
        raise ValueError("There is no text to count; write it after a colon or attach a text file.")
    counts = collections.Counter(words)
    stop = {language: set(listed.split()) for language, listed in STOP.items()}
    language = max(stop, key=lambda name: sum(counts[word] for word in stop[name]))  # on a tie the first: English
    asked = re.search(r"\b(?:with|including|include|keep|count)\b[\w ]*\b(?:stop|common|function|filler)[- ]?words\b|"
                      r"\b(?:all|every)( the)? words?\b", instruction.lower())
    common = str(inputs.get("common_words") or "").lower() in ("true", "yes", "1") or bool(asked)
    listed = {word: n for word, n in counts.items() if common or word not in stop[language]} or counts
    ranking = sorted(listed.items(), key=lambda pair: (-pair[1], pair[0]))
    often = ranking[0][1]
    first = [f"**{word}**" for word, n in ranking if n == often]
    left_out = len(words) - sum(listed.values())
    lead = f"The text has **{counted(len(words), 'word')}**, {len(counts):,} of them different; "
    if often == 1:
        lead += "no word worth listing occurs twice."
    elif len(first) == 1:
        lead += f"the most frequent one is {first[0]} ({often:,} times)."
    else:
        shown = f"{', '.join(first[:-1])} and {first[-1]}" if len(first) < 5 else f"{len(first)} words"
        lead += f"the most frequent ones are {shown} ({often:,} times each)."
    lines = [lead, "", "| Word | Count | Share |", "|---|---:|---:|"]
    lines += [f"| {word} | {n:,} | {100 * n / len(words):.1f} % |" for word, n in ranking[:top]]
    if left_out:
        lines += ["", f"Common {language} words ({left_out:,} of the {len(words):,}) are left out of the list."]
    return {"answer": "\n".join(lines), "total": len(words), "distinct": len(counts), "left_out": left_out,
            "language": language if left_out else "", "words": [{"word": word, "count": n} for word, n in ranking[:top]]}
