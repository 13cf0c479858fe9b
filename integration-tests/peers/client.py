"""A command line of Lamos in another language, written from ipc/PROTOCOL.md alone: `client.py SOCKET`, prints JSON."""
import json, os, socket, struct, sys

CALL, ANSWER, REFUSE, OPEN, DATA, CREDIT, SENSITIVE, DOWN = 1, 2, 3, 4, 5, 6, 1, 2
STORAGE, CRYPTO, LLM = 4, 5, 6
wire = socket.socket(socket.AF_UNIX)
wire.connect(sys.argv[1])
stream = wire.makefile("rb")
calls = 0

def rpc(method, params):
    wire.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode() + b"\n")
    answer = json.loads(stream.readline())
    return answer["result"] if "result" in answer else sys.exit(f"{method}: {answer['error']['message']}")

def send(kind, call, body=b"", flags=0, role=0, direction=0, method=0, credit=0, trace=bytes(16)):
    header = struct.pack("<6BHIIQQIIH6x16s", 1, kind, flags, 0, role, direction, method, 0, 0, call, 0, 0, 0, credit, trace)
    wire.sendall(struct.pack("<I", len(header) + len(body)) + header + body)

def call(role, method, body, flags=0, kind=CALL):
    """Asks, and takes the answer and the pieces that come before it; the code of a refusal is its position."""
    global calls
    calls, pieces = calls + 1, []
    send(kind, calls, body, flags, role, method=method, trace=os.urandom(16))
    while True:
        length, = struct.unpack("<I", stream.read(4))
        header, body = stream.read(64), stream.read(length - 64)
        kind, number = header[1], struct.unpack_from("<Q", header, 16)[0]
        if number == calls and kind == DATA:
            pieces.append(body)
            send(CREDIT, calls, direction=DOWN, credit=1)
        elif number == calls and kind in (ANSWER, REFUSE):
            return kind == ANSWER, body if kind == ANSWER else body[0], pieces

def number(n):
    return bytes([n]) if n < 251 else b"\xfb" + struct.pack("<H", n) if n < 1 << 16 else b"\xfc" + struct.pack("<I", n)

def take(body, at):
    """An unsigned integer, and what comes after it."""
    size = {251: "<H", 252: "<I", 253: "<Q"}.get(body[at])
    return (struct.unpack_from(size, body, at + 1)[0], at + 1 + struct.calcsize(size)) if size else (body[at], at + 1)

status = rpc("status", None)
rpc("attach", {"version": status["protocol"], "schema": status["schema"], "program": "client.py", "serves": False})
pair = (number(4) + b"demo") * 2
well, code, _ = call(CRYPTO, 1, pair, SENSITIVE)
if not well and code == 12:  # NewSpace: the second entry makes it
    well, code, _ = call(CRYPTO, 2, pair, SENSITIVE)
echo = call(LLM, 0xFF01, number(300) + b"x" * 300)[1]
source = call(LLM, 0xFF02, number(100) + number(60_000), kind=OPEN)
listed, body, _ = call(STORAGE, 3, b"\0" + number(50))  # after: None, limit: 50
count, at, conversations = *take(body, 0), []
for _ in range(count):
    identity, (length, at) = body[at:at + 16].hex(), take(body, at + 16)
    title, (messages, at) = body[at:at + length].decode(), take(body, at + length)
    conversations.append({"id": identity, "title": title, "messages": messages})
    at = take(body, take(body, at)[1])[1]  # created_ms, changed_ms
print(json.dumps({"pid": status["pid"], "demo": well and code[0] == 1, "echo": echo == number(300) + b"x" * 300,
                  "pieces": [take(piece, 0)[0] for piece in source[2]], "done": source[0], "conversations": conversations}))
