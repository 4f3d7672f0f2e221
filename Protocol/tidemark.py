#!/usr/bin/env python3
"""The Tidemark protocol, version 1, described once, to be read beside SPEC.md; decoder and encoder follow from it.

    python3 Protocol/tidemark.py check                         every vector: decoded, encoded, refused as it should be
    python3 Protocol/tidemark.py decode [--from server] < hex  frames in hexadecimal, one JSON object a frame

`decode` takes SPEC.md's example blocks as they stand: spaces and what follows a semicolon are passed over. The bytes
are a client's (as a server checks them in a session) unless `--from server`. Exit status: 0 all is well, 1 a vector
differs or the bytes are broken, 2 wrong usage. Written for clarity, not speed. Needs Python 3.9, and nothing beside it.

As a module: `Stream(sender).feed(bytes)` gives the frames that are complete, `encode(frame, message)` the bytes of one;
`frame` and `message` are as in vectors/valid (README.md says what the keys mean).
"""
import hashlib
import hmac
import json
import pathlib
import struct
import sys

FOLDER = pathlib.Path(__file__).resolve().parent
REGISTRY = json.loads((FOLDER / "registry.json").read_text(encoding="utf-8"))
TYPES = {entry["number"]: entry for entry in REGISTRY["messages"]}
NUMBERS = {entry["name"]: entry["number"] for entry in REGISTRY["messages"]}
LIMITS = {entry["name"]: entry["value"] for entry in REGISTRY["limits"]}
TABLE_MAX = LIMITS["rosterEntriesMax"]  # the numbers of a table are 0 to one less
STAMP_MAX, U32_MAX, U64_MAX = 2**56 - 1, 2**32 - 1, 2**64 - 1


class Refused(Exception):
    """What ends a connection. A server sends it as an error; a client, which has none to send, closes."""
    def __init__(self, code, rule=None, offset=0):
        self.meaning = {"code": code} if rule is None else {"code": code, "rule": rule, "offset": offset}


# ---- What layouts are made of. A codec's `decode` reads what bytes mean, its `encode` gives the bytes of a meaning.
# The parts of a layout are called with the meaning of what stands before them: a codec stays what it is, and where the
# bytes depend on that, a function is in its place, which gives the codec.


class Body:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if size > len(self.data) - self.at:
            raise Refused("badFrame", "truncated", self.at)
        self.at += size
        return self.data[self.at - size : self.at]


class Codec:
    def __init__(self, decode, encode):
        self.decode, self.encode = decode, encode

    def __call__(self, before):
        return self

    def means(self, meaning, value, rule="value"):
        """The same bytes with another meaning: the way to it, and back. Bytes without a meaning break the rule."""
        def decode(body):
            start, found = body.at, self.decode(body)
            try:
                return meaning(found)
            except (ValueError, LookupError):
                raise Refused("badFrame", rule, start) from None
        return Codec(decode, lambda meant: self.encode(value(meant)))

    def must(self, rule, is_sound):
        """What a receiver checks. The encoder writes whatever it is given: tests want broken bytes too."""
        def checked(found):
            if not is_sound(found):
                raise ValueError
            return found
        return self.means(checked, lambda value: value, rule)


def record(**parts):
    """Parts one behind the other. The meaning of one whose name begins with _ joins that of the whole."""
    def decode(body):
        meaning = {}
        for name, part in parts.items():
            found = part(meaning).decode(body)
            meaning.update(found if name[0] == "_" else {name: found})
        return meaning

    def encode(meaning):
        return b"".join(part(meaning).encode(meaning if name[0] == "_" else meaning[name])
                        for name, part in parts.items())
    return Codec(decode, encode)


def several(count, element):
    """A count and as many elements; before the first stands None."""
    def decode(body):
        found = [None]
        for _ in range(count.decode(body)):
            found.append(element(found[-1]).decode(body))
        return found[1:]

    def encode(values):
        pairs = zip([None, *values], values)
        return count.encode(len(values)) + b"".join(element(before).encode(value) for before, value in pairs)
    return Codec(decode, encode)


def absent(meaning):
    """No bytes, where a meaning is expected all the same."""
    return Codec(lambda body: meaning, lambda value: b"")


def zero_or(is_zero, zero, other):
    """A byte 00 and what follows it, or what never begins with 00."""
    def decode(body):
        if body.data[body.at : body.at + 1] != b"\0":
            return other.decode(body)
        body.take(1)
        return zero.decode(body)
    return Codec(decode, lambda value: b"\0" + zero.encode(value) if is_zero(value) else other.encode(value))


def packed(codec, **parts):
    """A number that is several: of each the lowest bit, how many bits, and the way to its meaning and back."""
    return codec.means(
        lambda number: {name: to(number >> low & (1 << size) - 1) for name, (low, size, (to, _)) in parts.items()},
        lambda meaning: sum(back(meaning[name]) << low for name, (low, _, (_, back)) in parts.items()))


# Ways to a meaning and back. In JSON, numbers of 64 bits are decimal strings, and bytes are hexadecimal.
NUMBER, BOOL, DECIMAL, HEX = (int, int), (bool, int), (str, int), (bytes.hex, bytes.fromhex)


def names(table, unknown="unknown", statuses=("spoken", "laid-out", None), nameless=()):
    """Of a table in the registry. A number without a name is `unknown`, has no meaning if the table does not have that,
    or stands for itself if it is among the nameless."""
    known = {entry["number"]: entry["name"] for entry in REGISTRY[table] if entry.get("status") in statuses}
    known = {**{number: number for number in nameless}, **known}
    numbers = {name: number for number, name in known.items()}
    return lambda number: known[number if number in known else numbers[unknown]], numbers.__getitem__


def bits(entries):
    """The names of the bits that are set; bitN for bit N without a name."""
    known = {**{bit: f"bit{bit}" for bit in range(64)}, **{entry["bit"]: entry["name"] for entry in entries}}
    numbers = {name: bit for bit, name in known.items()}
    return (lambda number: [name for bit, name in known.items() if number >> bit & 1],
            lambda given: sum(1 << numbers[name] for name in given))


# ---- Section 3: primitives


def unsigned(size):
    return Codec(lambda body: int.from_bytes(body.take(size), "little"), lambda value: value.to_bytes(size, "little"))


def read_varint(body):
    start, value = body.at, 0
    for index in range(10):
        if body.at == len(body.data):
            raise Refused("badFrame", "truncated", start)
        byte = body.take(1)[0]
        value |= (byte & 0x7F) << 7 * index
        if (index > 0 and byte == 0) or (index == 9 and byte > 1):  # more bytes than needed, or more than 64 bits
            raise Refused("badFrame", "varint", start)
        if byte < 0x80:
            return value


def varint(value):
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80]) + varint(value >> 7)


def at_most(limit):
    return VARINT.must("tooLong", lambda value: value <= LIMITS.get(limit, limit))


def block(length):
    return Codec(lambda body: body.take(length.decode(body)), lambda data: length.encode(len(data)) + data)


def is_plain(raw, controls=""):
    """UTF-8 without control characters other than these."""
    try:
        return all(char in controls or char >= " " and char != "\x7f" for char in raw.decode())
    except UnicodeDecodeError:
        return False


def text(length):
    return block(length).must("text", is_plain).means(bytes.decode, str.encode)


def data(length):
    return block(length).means(*HEX)


U8, U64, VARINT = unsigned(1), unsigned(8).means(*DECIMAL), Codec(read_varint, varint)
FLAG = U8.must("reserved", lambda value: value <= 1).means(*BOOL)
STAMP = VARINT.means(*DECIMAL)
USER = VARINT.must("value", lambda user: user != 0).means(*DECIMAL)
ENTRY = at_most(TABLE_MAX - 1)
NAME = text(at_most("nameBytesMax"))
TOKEN_LENGTH = U8.must("tooLong", lambda length: length <= LIMITS["tokenBytesMax"])
ACCOUNT = NAME.must("text", lambda name: name != "" and " " not in name)
REFERENCE = zero_or(lambda user: "name" in user, record(name=ACCOUNT), record(id=USER))
GROUPS = several(at_most("entryGroupsMax"), text(at_most("groupBytesMax")))
NOTES = {"alias": text(at_most("aliasBytesMax")), "groups": GROUPS}


def field_number(before):
    return (VARINT.must("value", lambda number: 1 <= number <= LIMITS["fieldNumberMax"])
            .must("order", lambda number: number > (before or 0)))


def field(before):
    """(length + 1) * 4 + step, where a step of 3 is three and as many as follow; then the bytes of the value."""
    next_number = (before["number"] if before else 0) + 1

    def decode(body):
        start, head = body.at, read_varint(body)
        length, step = head >> 2, head & 3
        if length > LIMITS["fieldBytesMax"] + 1:
            raise Refused("badFrame", "tooLong", start)
        number = next_number + step + (read_varint(body) if step == 3 else 0)
        if number > LIMITS["fieldNumberMax"]:
            raise Refused("badFrame", "value", start)
        if length == 0:
            return {"number": number, "removed": True}
        is_text, raw = number < REGISTRY["operatorFieldsFrom"], body.take(length - 1)
        if is_text and not is_plain(raw, "\t\n"):
            raise Refused("badFrame", "text", start)
        return {"number": number, "text": raw.decode()} if is_text else {"number": number, "bytes": raw.hex()}

    def encode(meaning):
        step = meaning["number"] - next_number
        raw = meaning["text"].encode() if "text" in meaning else bytes.fromhex(meaning.get("bytes", ""))
        length = 0 if "removed" in meaning else len(raw) + 1
        return varint(length << 2 | min(step, 3)) + (varint(step - 3) if step >= 3 else b"") + raw
    return Codec(decode, encode)


def extension(before):
    last = before["tag"] if before else 0
    return record(tag=VARINT.must("order", lambda tag: tag > last), bytes=data(VARINT))


FIELDS, FIELD_NUMBERS = (several(at_most("profileFieldsMax"), element) for element in (field, field_number))


# ---- Sections 5 and 8: a page

PAGE_HEAD = packed(U8, answer=(0, 2, names("syncAnswers")), last=(2, 1, BOOL), hasStamps=(3, 1, BOOL),
                   reason=(4, 4, names("fullReasons")))
ITEM_HEAD = packed(U8, kind=(0, 3, names("itemKinds", statuses=["spoken"])), favourite=(3, 1, BOOL),
                   pending=(4, 1, BOOL), annotated=(5, 1, BOOL), rest=(6, 2, NUMBER))
FLAGS = ["favourite", "pending", "annotated", "rest"]
RESERVED = {"contact": ["rest"], **dict.fromkeys(["patch", "removed", "own", "block", "request", "forgotten"], FLAGS)}
CONTACT_ENTRY = ENTRY.must("value", lambda number: number != 0)
ITEM_NUMBERS = {"contact": CONTACT_ENTRY, "patch": ENTRY, "removed": CONTACT_ENTRY, "own": absent(0),
                "block": absent(0), "request": absent(0), "forgotten": absent(0)}
NO_NOTES = {"alias": absent(""), "groups": absent([])}
CONTENTS = {
    "contact": lambda item: record(user=USER, name=NAME, **(NOTES if item["annotated"] else NO_NOTES), fields=FIELDS),
    "patch": record(fields=FIELDS),
    "removed": record(),
    "own": record(name=NAME, fields=FIELDS, privateFields=FIELD_NUMBERS),
    "block": record(user=USER, note=text(at_most("noteBytesMax"))),
    "request": record(user=USER, name=NAME),
    "forgotten": record(user=USER),
}


def without_bits(item):
    """The meaning of an item: not the bits that it does not have, and those of `annotated` are alias and groups."""
    return {name: value for name, value in item.items() if name not in ["annotated", *RESERVED[item["kind"]]]}


def with_bits(item):
    annotated = bool(item.get("alias") or item.get("groups"))
    return {**dict.fromkeys(RESERVED[item["kind"]], 0), **item, "annotated": annotated}


def stamp_after(before):
    last = int(before["stamp"]) if before else 0
    return VARINT.must("order", lambda more: 1 <= more <= STAMP_MAX - last).means(
        lambda more: str(last + more), lambda stamp: int(stamp) - last)


def items(page):
    return several(at_most("tableItemsMax"), lambda before: record(
        _head=ITEM_HEAD.must("reserved", lambda head: not any(head[name] for name in RESERVED[head["kind"]])),
        number=lambda item: ITEM_NUMBERS[item["kind"]],
        stamp=stamp_after(before) if page["hasStamps"] else absent(None),
        _content=lambda item: CONTENTS[item["kind"]](item)).means(without_bits, with_bits))


STATE, STATE_NUMBER = names("presenceStates")


def presence_entry(before):
    first = before["number"] + 1 if before else 0
    return VARINT.must("tooLong", lambda value: first + value // 4 < TABLE_MAX).means(
        lambda value: {"number": first + value // 4, "state": STATE(value % 4)},
        lambda entry: (entry["number"] - first) * 4 + STATE_NUMBER(entry["state"]))


def from_bitmap(bitmap):
    states = [byte >> shift & 3 for byte in bitmap for shift in (0, 2, 4, 6)]
    return [{"number": number, "state": STATE(state)} for number, state in enumerate(states) if state]


def to_bitmap(entries):
    states = sum(STATE_NUMBER(entry["state"]) << 2 * entry["number"] for entry in entries)
    return states.to_bytes(entries[-1]["number"] // 4 + 1, "little")


def with_devices(states):
    """Behind the states three bits for each contact that is not offline."""
    def present(entries):
        return [entry for entry in entries if entry["state"] != "offline"]

    def size(entries):
        return (3 * len(present(entries)) + 7) // 8

    def decode(body):
        entries = states.decode(body)
        bits = int.from_bytes(body.take(size(entries)), "little")
        for place, entry in enumerate(present(entries)):
            devices = [device["name"] for device in DEVICES if bits >> 3 * place + device["bit"] & 1]
            entry.update({"devices": devices} if devices else {})
        return entries

    def encode(entries):
        bits = sum(1 << 3 * place + device["bit"] for place, entry in enumerate(present(entries))
                   for device in DEVICES if device["name"] in entry.get("devices", []))
        return states.encode(entries) + bits.to_bytes(size(entries), "little")
    return Codec(decode, encode)


def shortest(entries):
    """The list where both are equal, and where a state is offline, which a bitmap cannot hold. With the devices, where
    one is known."""
    if not entries:
        return "nobody"
    forms = ["list"] if any(entry["state"] == "offline" for entry in entries) else ["list", "bitmap"]
    shorter = min(forms, key=lambda form: len(FORMS[form].encode(entries)))
    return shorter + ("WithDevices" if any("devices" in entry for entry in entries) else "")


DEVICES = REGISTRY["presenceDevices"]
FORMS = {"nobody": absent([]), "list": several(at_most(TABLE_MAX), presence_entry),
         "bitmap": block(at_most(TABLE_MAX // 4)).means(from_bitmap, to_bitmap)}
FORMS.update({form + "WithDevices": with_devices(FORMS[form]) for form in ("list", "bitmap")})
PRESENCE = record(form=U8.means(*names("presenceForms")), entries=lambda presence: FORMS[presence["form"]]).means(
    lambda presence: presence["entries"], lambda entries: {"form": shortest(entries), "entries": entries})
TOTALS = {"items": at_most("tableItemsMax"), "digest": U64}
SUMMARY = record(**TOTALS, presence=PRESENCE, waitingMessages=at_most(U32_MAX))
MADE_TOKEN = data(TOKEN_LENGTH.must("tooLong", bool))


def page(summary):
    return {"_head": PAGE_HEAD, "token": MADE_TOKEN, "items": items,
            "summary": lambda page: summary if page["last"] else absent(None)}


# ---- Section 5: every message that is spoken

CREDENTIALS = {
    "ticket": record(ticket=data(at_most("ticketBytesMax"))),
    "trusted": record(user=REFERENCE),
    "scram": record(data=data(at_most("scramBytesMax"))),
    "service": record(key=data(at_most("serviceKeyBytesMax"))),
    "bearer": record(bearer=data(at_most("bearerBytesMax"))),
}
MARK = Codec(lambda body: body.take(2), bytes).must("mark", lambda mark: mark == b"TM")
LOG2_MIN, LOG2_MAX = LIMITS["frameLog2Min"], LIMITS["frameLog2Max"]


def options(table):
    known = sum(1 << entry["bit"] for entry in REGISTRY[table] if entry["status"] != "set-aside")
    return U8.must("reserved", lambda options: options & ~known == 0).means(*bits(REGISTRY[table]))


MESSAGE = {"id": Codec(lambda body: body.take(16), bytes).means(*HEX), "kind": at_most(U32_MAX),
           "content": data(at_most("messageBytesMax"))}
MESSAGES_MAX = at_most("messagesMax")
MESSAGE_PAGE = {"token": MADE_TOKEN, "waitingMessages": MESSAGES_MAX, "left": MESSAGES_MAX,
                "messages": several(MESSAGES_MAX, lambda before: record(stamp=stamp_after(before), user=USER, **MESSAGE))}
PAYLOAD = Codec(lambda body: body.take(len(body.data)), bytes).must(
    "tooLong", lambda payload: len(payload) <= LIMITS["pingBytesMax"]).means(*HEX)
ERROR_CODE = U8.means(*names("errors", nameless=range(256)))
DECODE = record(rule=U8.means(*names("decodeRules")), offset=at_most("bodyBytesMax"))
WAIT, DETAIL = at_most(U32_MAX), text(at_most("detailBytesMax"))

WIDE = VARINT.means(*DECIMAL)
KEY = Codec(lambda body: body.take(32), bytes).means(*HEX)

VERIFIER = {"iterations": at_most("iterationsMax").must("value", bool), "salt": data(at_most("saltBytesMax")),
            "storedKey": KEY, "serverKey": KEY}
GO_AWAY = {"reason": U8.means(*names("goAwayReasons")), "reconnectAfterMS": WAIT, "detail": DETAIL}
DEVICE_CLASS = U8.means(*names("deviceClasses", unknown="unspecified"))
ROLE = U8.means(*names("roles", unknown=None))
HOLDER = zero_or(lambda holder: "role" in holder, record(role=ROLE, service=NAME), record(user=USER))
SESSION = record(session=WIDE, holder=HOLDER, deviceClass=DEVICE_CLASS, device=U64, seconds=WIDE, address=NAME)
FIGURE = record(name=NAME, value=WIDE)

MESSAGES = {
    "hello": record(
        _mark=MARK.means(lambda mark: {}, lambda hello: b"TM"), versionMin=U8,
        versionMax=lambda hello: U8.must("value", lambda version: version >= hello["versionMin"]),
        frameLog2=U8.must("value", lambda size: size >= LOG2_MIN).means(lambda size: min(size, LOG2_MAX), int),
        deviceClass=DEVICE_CLASS, device=U64),
    "helloOK": record(
        version=U8, frameLog2=U8.must("value", lambda size: LOG2_MIN <= size <= LOG2_MAX),
        idleSeconds=at_most(U32_MAX), features=VARINT.means(*bits(REGISTRY["features"]))),
    "authenticate": record(
        method=U8.means(*names("authenticationMethods")), _credentials=lambda message: CREDENTIALS[message["method"]]),
    "authenticateOK": record(user=WIDE),
    "authenticateContinue": record(data=data(at_most("scramBytesMax"))),
    "authenticateChallenge": record(data=data(at_most("scramBytesMax"))),
    "sync": record(options=options("syncOptions"), pageBytes=at_most("pageBytesMax"), token=data(TOKEN_LENGTH)),
    "syncPage": record(**page(SUMMARY)),
    "ping": record(payload=PAYLOAD),
    "pong": record(payload=PAYLOAD),
    "profileSet": record(unchangedSince=STAMP, fields=FIELDS.must("value", bool), privateFields=FIELD_NUMBERS),
    "profileSetOK": record(stamp=STAMP),
    "rosterAdd": record(contact=REFERENCE, favourite=FLAG, **NOTES),
    "rosterAddOK": record(stamp=STAMP, contact=USER, number=ENTRY),
    "rosterRemove": record(unchangedSince=STAMP, contact=USER),
    "rosterRemoveOK": record(stamp=STAMP),
    "rosterAnnotate": record(unchangedSince=STAMP, contact=USER, favourite=FLAG, **NOTES),
    "rosterAnnotateOK": record(stamp=STAMP),
    "rosterAnswer": record(user=USER, answer=U8.means(*names("rosterAnswers"))),
    "rosterAnswerOK": record(stamp=STAMP),
    "blockSet": record(user=USER, isBlocked=FLAG, note=text(at_most("noteBytesMax"))),
    "blockSetOK": record(stamp=STAMP),
    "presenceSet": record(wish=U8.means(*names("presenceWishes"))),
    "presenceSetOK": record(),
    "messageSend": record(user=USER, **MESSAGE),
    "messageSendOK": record(stamp=STAMP),
    "messageFetch": record(options=options("fetchOptions"), pageBytes=at_most("pageBytesMax"), token=data(TOKEN_LENGTH)),
    "messagePage": record(**MESSAGE_PAGE),
    "messageAcknowledge": record(token=MADE_TOKEN),
    "messageAcknowledgeOK": record(waitingMessages=MESSAGES_MAX),
    "passwordSet": record(**VERIFIER),
    "passwordSetOK": record(stamp=STAMP),
    "signOut": record(scope=U8.means(*names("signOutScopes"))),
    "signOutOK": record(stamp=STAMP),
    "lastSeenSet": record(isShown=FLAG),
    "lastSeenSetOK": record(stamp=STAMP),
    "lastSeenGet": record(user=USER),
    "lastSeenGetOK": record(isShown=FLAG, at=at_most(U32_MAX)),
    "adminAccountCreate": record(name=ACCOUNT, user=WIDE),
    "adminAccountCreateOK": record(stamp=STAMP, user=USER),
    "adminAccountDisable": record(user=REFERENCE, isDisabled=FLAG),
    "adminAccountDisableOK": record(stamp=STAMP),
    "adminAccountDelete": record(user=REFERENCE),
    "adminAccountDeleteOK": record(stamp=STAMP),
    "adminPasswordSet": record(user=REFERENCE, **VERIFIER),
    "adminPasswordSetOK": record(stamp=STAMP),
    "adminActFor": record(user=REFERENCE, bodyType=U8, body=data(at_most("requestBodyBytesMax"))),
    "adminActForOK": record(user=USER, bodyType=U8, body=data(at_most("actedBytesMax"))),
    "adminSessions": record(user=WIDE, after=WIDE, pageBytes=at_most("pageBytesMax")),
    "adminSessionsPage": record(next=WIDE, sessions=several(at_most("bodyBytesMax"), lambda before: SESSION)),
    "adminDisconnect": record(session=WIDE, **GO_AWAY),
    "adminDisconnectOK": record(),
    "adminStatistics": record(),
    "adminStatisticsOK": record(figures=several(at_most("bodyBytesMax"), lambda before: FIGURE)),
    "adminBackup": record(path=text(at_most("pathBytesMax"))),
    "adminBackupOK": record(stamp=STAMP, bytes=WIDE),
    "adminDrain": record(isDraining=FLAG, milliseconds=WAIT),
    "adminDrainOK": record(left=at_most(U32_MAX)),
    "adminReload": record(),
    "adminReloadOK": record(),
    "pushDelta": record(**{"from": MADE_TOKEN}, **page(record(**TOTALS))),
    "pushPresence": record(scope=U8.means(*names("presenceScopes")), presence=PRESENCE),
    "pushMessages": record(**{"from": MADE_TOKEN}, **MESSAGE_PAGE),
    "goAway": record(**GO_AWAY),
    "error": record(
        code=ERROR_CODE, closes=FLAG, retryAfterMS=WAIT,
        decode=zero_or(lambda decode: decode is None, absent(None), DECODE), detail=DETAIL),
}


def decode(name, content):
    """The meaning of a body: of the message, and of the extensions to its end."""
    body = Body(content)
    message, extensions = {"type": name, **MESSAGES[name].decode(body)}, []
    while body.at < len(content):
        start = body.at
        try:
            extensions.append(extension(extensions[-1] if extensions else None).decode(body))
        except Refused:
            raise Refused("badFrame", "extensions", start) from None
    return {**message, "extensions": extensions} if extensions else message


# ---- Section 4: frames

HEADER = packed(unsigned(LIMITS["headerBytes"]), bodyBytes=(0, 20, NUMBER),
                flags=(20, 4, bits([{"bit": 0, "name": "ignorable"}])), type=(24, 8, NUMBER), request=(32, 16, NUMBER))


def header(length, flags, kind, request):
    return HEADER.encode({"bodyBytes": length, "flags": flags, "type": kind, "request": request})


def encode(frame, message):
    """The bytes of a frame; of `frame` only the request id and the flags are needed."""
    body = MESSAGES[message["type"]].encode(message)
    body += b"".join(extension(None).encode(each) for each in message.get("extensions", []))
    return header(len(body), frame.get("flags", []), NUMBERS[message["type"]], frame["request"]) + body


class Stream:
    """One direction of a connection: bytes go in as they come, whole frames come out, and Refused ends it. The checks
    are those of section 4 without the state (step 6), in their order. The limit of a body is that of a session or, from
    the server, the largest that a hello can name."""

    def __init__(self, sender, body_bytes_max=None):
        self.sender, self.waiting = sender, b""
        self.most = body_bytes_max or LIMITS["requestBodyBytesMax" if sender == "client" else "bodyBytesMax"]

    def feed(self, content):
        """Yields (frame, message) of each frame that is whole; the message is None where its body is not read."""
        self.waiting += content
        while len(self.waiting) >= LIMITS["headerBytes"]:
            body = Body(self.waiting)
            frame = HEADER.decode(body)
            if frame["bodyBytes"] > self.most:
                raise Refused("frameTooLarge")
            if len(self.waiting) < LIMITS["headerBytes"] + frame["bodyBytes"]:
                return
            content, self.waiting = body.take(frame["bodyBytes"]), self.waiting[body.at:]
            yield frame, self.message(frame, content)

    def message(self, frame, body):
        entry, from_client = TYPES.get(frame["type"]), self.sender == "client"
        if frame["flags"] not in ([], ["ignorable"]):
            raise Refused("badFrame", "reserved", 0)
        if entry is None and frame["flags"]:
            return None  # ignorable: passed over
        if entry is None:
            raise Refused("unknownType")
        if from_client and entry["name"] == "pong":
            return None  # a sign of life, whatever is in it
        if entry["kind"] != "request" if from_client else entry["direction"] == "client":
            raise Refused("unexpectedMessage")
        if from_client and frame["request"] == 0:
            raise Refused("badFrame", "value", 0)
        if entry["status"] != "spoken":
            return None  # a server answers notSupported, and a client closes unless it asked for it
        return decode(entry["name"], body)


# ---- Sections 7 and 10: digests and tickets


def mix(z):
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & U64_MAX
    z = (z ^ z >> 27) * 0x94D049BB133111EB & U64_MAX
    return z ^ z >> 31


def digest(items, with_stamps):
    """Of (user, effective stamp) pairs."""
    terms = [(mix(user + 0x9E3779B97F4A7C15 & U64_MAX), stamp) for user, stamp in items]
    return sum(mix(term ^ stamp) if with_stamps else term for term, stamp in terms) & U64_MAX


def ticket(key_bytes, key, user, issued, expires, renewable=False):
    content = struct.pack("<BHQII", 2 if renewable else 1, key, user, issued, expires)
    return content + hmac.new(key_bytes, content, hashlib.sha256).digest()[:16]


# ---- The program


def plain(text_of_bytes):
    return bytes.fromhex("".join(text_of_bytes.split()))


def print_frames(sender, lines):
    try:
        stream, content = Stream(sender), plain(" ".join(line.split(";")[0] for line in lines))
    except ValueError as error:
        raise SystemExit(f"tidemark.py: standard input is not hexadecimal: {error}") from None
    try:
        for frame, message in stream.feed(content):
            print(json.dumps({"frame": frame, "message": message}, ensure_ascii=False))
    except Refused as refused:
        print(json.dumps({"error": refused.meaning}))
        raise SystemExit(1) from None
    if stream.waiting:
        raise SystemExit(f"tidemark.py: {len(stream.waiting)} bytes of a frame that is not whole")


def main(arguments):
    if arguments == ["check"]:
        import check_vectors
        check_vectors.main()
    elif arguments in (["decode"], ["decode", "--from", "client"], ["decode", "--from", "server"]):
        print_frames("server" if arguments[-1] == "server" else "client", sys.stdin)
    else:
        helped = arguments in (["--help"], ["-h"])
        print(__doc__, file=sys.stdout if helped else sys.stderr)
        raise SystemExit(0 if helped else 2)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    main(sys.argv[1:])
