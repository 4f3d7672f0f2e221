"""Holds tidemark.py to the vectors: `python3 Protocol/tidemark.py check`.

Each frame goes in whole, byte by byte, short of its last byte, and behind others in one buffer; its meaning must come
out, and the meaning must give the frame's bytes, or those of `encoded` where the vector has them.
"""
import json

from tidemark import FOLDER, LIMITS, NUMBERS, TYPES, Refused, Stream, digest, encode, header, plain, ticket


class Differs(Exception):
    """With what was found and what was expected."""


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def sender_of(frame):
    """Who sends such a frame; of what both may send, a server's ping has request 0, and pongs are read by clients."""
    entry = TYPES.get(frame["type"], {"direction": "client"})
    if entry["direction"] == "both":
        return "client" if entry["name"] == "ping" and frame["request"] else "server"
    return entry["direction"]


def as_frame(vector):
    """The bytes of an invalid vector as a frame, and who sends it."""
    data = plain(vector["hex"])
    if vector["as"] == "frame":
        return data, "client"
    kind = NUMBERS[vector["as"]]
    return header(len(data), [], kind, 3) + data, sender_of({"type": kind, "request": 3})


def same(name, found, expected):
    if found != expected:
        raise Differs(f"{name}: differs\n   found: {json.dumps(found)}\nexpected: {json.dumps(expected)}")


def outcome(stream, pieces):
    """What comes out of a stream that is fed these pieces: the frames, and how it ended if it did."""
    found = []
    try:
        for piece in pieces:
            found += stream.feed(piece)
    except Refused as refused:
        return found, refused.meaning
    return found, None


def single(data):
    return [data[at : at + 1] for at in range(len(data))]


def check_valid(vectors):
    everything = {"client": (b"", []), "server": (b"", [])}
    for vector in vectors:
        name, rest, encoded = vector["name"], plain(vector["hex"]), b""
        for each in vector.get("frames", [vector]):
            frame, message = each["frame"], each["message"]
            sender = each.get("from") or sender_of(frame)
            size = LIMITS["headerBytes"] + frame["bodyBytes"]
            data, rest = rest[:size], rest[size:]
            expected = [(frame, message)]
            same(name, outcome(Stream(sender), [data]), (expected, None))
            same(f"{name}, byte by byte", outcome(Stream(sender), single(data)), (expected, None))
            same(f"{name}, cut short", outcome(Stream(sender), single(data[:-1])), ([], None))
            encoded += data if message is None else encode(frame, message)
            buffer, frames = everything[sender]
            everything[sender] = (buffer + data, frames + expected)
        same(f"{name}, bytes left over", rest.hex(), "")
        same(f"{name}, encoded", encoded.hex(), plain(vector.get("encoded", vector["hex"])).hex())
    for sender, (buffer, frames) in everything.items():
        same(f"all frames of a {sender} in one buffer", outcome(Stream(sender), [buffer]), (frames, None))
    return sum(len(frames) for _, frames in everything.values())


def check_invalid(vectors):
    for vector in vectors:
        name, (data, sender) = vector["name"], as_frame(vector)
        most = vector.get("bodyBytesMax", LIMITS["requestBodyBytesMax"])
        frame = {"bodyBytes": 1, "flags": [], "type": NUMBERS["ping"], "request": 7}
        before = (frame, {"type": "ping", "payload": "2a"})
        same(name, outcome(Stream(sender, most), [data]), ([], vector["error"]))
        same(f"{name}, byte by byte", outcome(Stream(sender, most), single(data)), ([], vector["error"]))
        many = encode(*before) * 3 + data
        same(f"{name}, behind others", outcome(Stream(sender, most), [many]), ([before] * 3, vector["error"]))


def check_digests(vectors):
    for vector in vectors:
        items = [(int(item["user"]), int(item["stamp"])) for item in vector["items"]]
        found = [len(items), str(digest(items, False)), str(digest(items, True))]
        same(f"digest {vector['name']}", found, [vector["count"], vector["newestOnly"], vector["withStamps"]])


def check_tickets(vectors):
    for vector in vectors:
        found = ticket(bytes.fromhex(vector["keyBytes"]), vector["key"], int(vector["user"]), vector["issuedSeconds"],
                       vector["expiresSeconds"], vector.get("isRenewable", False))
        same(f"ticket {vector['name']}", found.hex(), vector["ticket"])


def main():
    valid = [load(path) for path in sorted((FOLDER / "vectors/valid").glob("*.json"))]
    invalid = [load(path) for path in sorted((FOLDER / "vectors/invalid").glob("*.json"))]
    digests, tickets = load(FOLDER / "vectors/digests.json"), load(FOLDER / "vectors/tickets.json")
    try:
        frames = check_valid(valid)
        check_invalid(invalid)
        check_digests(digests)
        check_tickets(tickets)
    except Differs as differs:
        raise SystemExit(str(differs)) from None
    print(f"{len(valid)} valid vectors ({frames} frames), {len(invalid)} invalid, {len(digests)} digests, "
          f"{len(tickets)} tickets: all as they should be")
