-- Tidemark's protocol, version 1, for Wireshark and tshark (4.0 and newer).
--
--     wireshark -X lua_script:Protocol/tidemark.lua login.pcap
--     tshark -X lua_script:Protocol/tidemark.lua -r login.pcap -Y 'tidemark.type == 0x84'
--
-- or copy it into the folder for personal Lua plugins (Help > About Wireshark > Folders). The TCP ports are a
-- preference; on other ports a hello is recognised.
--
-- From the bytes up: a Body reads values and knows SPEC.md's decode rules; `messages` has a function for each message
-- that is spoken; `dissect_frame` does the header, the expert marks, and the pairing of requests with answers; at the
-- end, frames are cut from the stream, also from one that is not there from its beginning or has holes.

-- Generated from registry.json by generate-dissector-tables; edit neither here nor the two markers. {
local TYPES = {
   [0x01] = {name = "hello", kind = "request", from = "client", spoken = true,
             replies = {helloOK = true}},
   [0x02] = {name = "authenticate", kind = "request", from = "client", spoken = true,
             replies = {authenticateOK = true, authenticateChallenge = true}},
   [0x03] = {name = "authenticateContinue", kind = "request", from = "client", spoken = true,
             replies = {authenticateChallenge = true, authenticateOK = true}},
   [0x04] = {name = "sync", kind = "request", from = "client", spoken = true,
             replies = {syncPage = true}},
   [0x05] = {name = "ping", kind = "request", from = "both", spoken = true,
             replies = {pong = true}},
   [0x10] = {name = "profileSet", kind = "request", from = "client", spoken = true,
             replies = {profileSetOK = true}},
   [0x11] = {name = "rosterAdd", kind = "request", from = "client", spoken = true,
             replies = {rosterAddOK = true}},
   [0x12] = {name = "rosterRemove", kind = "request", from = "client", spoken = true,
             replies = {rosterRemoveOK = true}},
   [0x13] = {name = "rosterAnnotate", kind = "request", from = "client", spoken = true,
             replies = {rosterAnnotateOK = true}},
   [0x14] = {name = "rosterAnswer", kind = "request", from = "client", spoken = true,
             replies = {rosterAnswerOK = true}},
   [0x15] = {name = "blockSet", kind = "request", from = "client", spoken = true,
             replies = {blockSetOK = true}},
   [0x16] = {name = "presenceSet", kind = "request", from = "client", spoken = true,
             replies = {presenceSetOK = true}},
   [0x17] = {name = "messageSend", kind = "request", from = "client", spoken = true,
             replies = {messageSendOK = true}},
   [0x18] = {name = "messageFetch", kind = "request", from = "client", spoken = true,
             replies = {messagePage = true}},
   [0x19] = {name = "messageAcknowledge", kind = "request", from = "client", spoken = true,
             replies = {messageAcknowledgeOK = true}},
   [0x1a] = {name = "passwordSet", kind = "request", from = "client", spoken = true,
             replies = {passwordSetOK = true}},
   [0x1b] = {name = "signOut", kind = "request", from = "client", spoken = true,
             replies = {signOutOK = true}},
   [0x1c] = {name = "lastSeenSet", kind = "request", from = "client", spoken = true,
             replies = {lastSeenSetOK = true}},
   [0x1d] = {name = "lastSeenGet", kind = "request", from = "client", spoken = true,
             replies = {lastSeenGetOK = true}},
   [0x30] = {name = "adminAccountCreate", kind = "request", from = "client", spoken = true,
             replies = {adminAccountCreateOK = true}},
   [0x31] = {name = "adminAccountDisable", kind = "request", from = "client", spoken = true,
             replies = {adminAccountDisableOK = true}},
   [0x32] = {name = "adminAccountDelete", kind = "request", from = "client", spoken = true,
             replies = {adminAccountDeleteOK = true}},
   [0x33] = {name = "adminPasswordSet", kind = "request", from = "client", spoken = true,
             replies = {adminPasswordSetOK = true}},
   [0x34] = {name = "adminActFor", kind = "request", from = "client", spoken = true,
             replies = {adminActForOK = true}},
   [0x35] = {name = "adminSessions", kind = "request", from = "client", spoken = true,
             replies = {adminSessionsPage = true}},
   [0x36] = {name = "adminDisconnect", kind = "request", from = "client", spoken = true,
             replies = {adminDisconnectOK = true}},
   [0x37] = {name = "adminStatistics", kind = "request", from = "client", spoken = true,
             replies = {adminStatisticsOK = true}},
   [0x38] = {name = "adminBackup", kind = "request", from = "client", spoken = true,
             replies = {adminBackupOK = true}},
   [0x39] = {name = "adminDrain", kind = "request", from = "client", spoken = true,
             replies = {adminDrainOK = true}},
   [0x3a] = {name = "adminReload", kind = "request", from = "client", spoken = true,
             replies = {adminReloadOK = true}},
   [0x3b] = {name = "adminExport", kind = "request", from = "client",
             replies = {adminExportPage = true}},
   [0x40] = {name = "pushDelta", kind = "push", from = "server", spoken = true},
   [0x41] = {name = "pushPresence", kind = "push", from = "server", spoken = true},
   [0x42] = {name = "pushMessages", kind = "push", from = "server", spoken = true},
   [0x43] = {name = "goAway", kind = "push", from = "server", spoken = true},
   [0x81] = {name = "helloOK", kind = "reply", from = "server", spoken = true},
   [0x82] = {name = "authenticateOK", kind = "reply", from = "server", spoken = true},
   [0x83] = {name = "authenticateChallenge", kind = "reply", from = "server", spoken = true},
   [0x84] = {name = "syncPage", kind = "reply", from = "server", spoken = true},
   [0x85] = {name = "pong", kind = "reply", from = "both", spoken = true},
   [0x90] = {name = "profileSetOK", kind = "reply", from = "server", spoken = true},
   [0x91] = {name = "rosterAddOK", kind = "reply", from = "server", spoken = true},
   [0x92] = {name = "rosterRemoveOK", kind = "reply", from = "server", spoken = true},
   [0x93] = {name = "rosterAnnotateOK", kind = "reply", from = "server", spoken = true},
   [0x94] = {name = "rosterAnswerOK", kind = "reply", from = "server", spoken = true},
   [0x95] = {name = "blockSetOK", kind = "reply", from = "server", spoken = true},
   [0x96] = {name = "presenceSetOK", kind = "reply", from = "server", spoken = true},
   [0x97] = {name = "messageSendOK", kind = "reply", from = "server", spoken = true},
   [0x98] = {name = "messagePage", kind = "reply", from = "server", spoken = true},
   [0x99] = {name = "messageAcknowledgeOK", kind = "reply", from = "server", spoken = true},
   [0x9a] = {name = "passwordSetOK", kind = "reply", from = "server", spoken = true},
   [0x9b] = {name = "signOutOK", kind = "reply", from = "server", spoken = true},
   [0x9c] = {name = "lastSeenSetOK", kind = "reply", from = "server", spoken = true},
   [0x9d] = {name = "lastSeenGetOK", kind = "reply", from = "server", spoken = true},
   [0xb0] = {name = "adminAccountCreateOK", kind = "reply", from = "server", spoken = true},
   [0xb1] = {name = "adminAccountDisableOK", kind = "reply", from = "server", spoken = true},
   [0xb2] = {name = "adminAccountDeleteOK", kind = "reply", from = "server", spoken = true},
   [0xb3] = {name = "adminPasswordSetOK", kind = "reply", from = "server", spoken = true},
   [0xb4] = {name = "adminActForOK", kind = "reply", from = "server", spoken = true},
   [0xb5] = {name = "adminSessionsPage", kind = "reply", from = "server", spoken = true},
   [0xb6] = {name = "adminDisconnectOK", kind = "reply", from = "server", spoken = true},
   [0xb7] = {name = "adminStatisticsOK", kind = "reply", from = "server", spoken = true},
   [0xb8] = {name = "adminBackupOK", kind = "reply", from = "server", spoken = true},
   [0xb9] = {name = "adminDrainOK", kind = "reply", from = "server", spoken = true},
   [0xba] = {name = "adminReloadOK", kind = "reply", from = "server", spoken = true},
   [0xbb] = {name = "adminExportPage", kind = "reply", from = "server"},
   [0xff] = {name = "error", kind = "error", from = "server", spoken = true},
}
local FIELD_NAMES = {
   [1] = "FN",
   [2] = "NICKNAME",
   [3] = "TEL",
   [4] = "EMAIL",
   [5] = "ORG",
   [6] = "TITLE",
   [7] = "NOTE",
   [8] = "PHOTO",
   [9] = "URL",
   [10] = "BDAY",
   [11] = "ADR",
   [12] = "LANG",
   [13] = "TZ",
   [14] = "ROLE",
   [15] = "GENDER",
   [16] = "IMPP",
   [17] = "N",
   [18] = "LOGO",
   [19] = "CATEGORIES",
   [20] = "ANNIVERSARY",
   [21] = "GEO",
   [22] = "KEY",
   [23] = "VCARD",
}
local OPERATOR_FIELDS_FROM = 128
local ERROR_CODES = {
   [1] = "badFrame",
   [2] = "frameTooLarge",
   [3] = "unknownType",
   [4] = "unsupportedVersion",
   [5] = "notAuthenticated",
   [6] = "credentialsInvalid",
   [7] = "ticketExpired",
   [8] = "methodNotAllowed",
   [9] = "unexpectedMessage",
   [10] = "notSupported",
   [16] = "noSuchUser",
   [17] = "noSuchContact",
   [18] = "invalidValue",
   [19] = "limitExceeded",
   [20] = "changedSince",
   [21] = "notAllowed",
   [22] = "accountDisabled",
   [32] = "retryLater",
   [33] = "tooSlow",
   [34] = "shuttingDown",
   [35] = "replaced",
   [36] = "internalError",
}
local RULES = {
   [1] = "truncated",
   [2] = "varint",
   [3] = "tooLong",
   [4] = "text",
   [5] = "value",
   [6] = "reserved",
   [7] = "extensions",
   [8] = "order",
   [9] = "mark",
   [255] = "unknown",
}
local ANSWERS = {
   [0] = "upToDate",
   [1] = "delta",
   [2] = "full",
}
local OPTIONS = {
   [0] = "stamps",
   [1] = "subscribe",
   [2] = "diverged",
   [3] = "explain",
   [4] = "asides",
   [5] = "devices",
}
local FETCH_OPTIONS = {
   [0] = "subscribe",
}
local FULL_REASONS = {
   [0] = "none",
   [1] = "noToken",
   [2] = "tokenUnreadable",
   [3] = "epochUnknown",
   [4] = "beyondEnd",
   [5] = "horizon",
   [6] = "diverged",
   [7] = "restarted",
   [15] = "unknown",
}
local ITEM_KINDS = {
   [0] = "contact",
   [1] = "patch",
   [2] = "removed",
   [3] = "own",
   [4] = "block",
   [5] = "request",
   [6] = "forgotten",
}
local ITEM_FLAGS = {
   [3] = "favourite",
   [4] = "pending",
   [5] = "annotated",
}
local PRESENCE_FORMS = {
   [0] = "nobody",
   [1] = "list",
   [2] = "bitmap",
   [3] = "listWithDevices",
   [4] = "bitmapWithDevices",
}
local PRESENCE_DEVICES = {
   [0] = "computer",
   [1] = "tablet",
   [2] = "phone",
}
local PRESENCE_SCOPES = {
   [0] = "changes",
   [1] = "everything",
}
local SIGN_OUT_SCOPES = {
   [2] = "others",
   [3] = "all",
}
local ROSTER_ANSWERS = {
   [1] = "approve",
   [2] = "refuse",
}
local PRESENCE_STATES = {
   [0] = "offline",
   [1] = "online",
   [2] = "away",
   [3] = "busy",
}
local WISHES = {
   [1] = "online",
   [2] = "away",
   [3] = "busy",
   [4] = "invisible",
}
local DEVICE_CLASSES = {
   [0] = "unspecified",
   [1] = "computer",
   [2] = "tablet",
   [3] = "phone",
   [4] = "service",
}
local METHODS = {
   [1] = "ticket",
   [2] = "trusted",
   [3] = "scram",
   [4] = "service",
   [5] = "bearer",
}
local ROLES = {
   [1] = "backend",
   [2] = "administrator",
}
local FEATURES = {
   [0] = "push",
   [1] = "consent",
   [2] = "messages",
   [3] = "scram",
   [4] = "trusted",
   [5] = "lastSeen",
   [6] = "service",
   [7] = "bearer",
}
local GO_AWAY_REASONS = {
   [1] = "shuttingDown",
   [2] = "replaced",
   [3] = "signedOut",
   [4] = "overload",
   [255] = "unknown",
}
local EXTENSIONS = {
   authenticate = {[1] = "wish", [2] = "ticketWanted"},
   authenticateOK = {[1] = "ticket", [2] = "serverFinal", [3] = "role"},
   passwordSetOK = {[1] = "ticket"},
   signOutOK = {[1] = "ticket"},
   syncPage = {[1] = "explanation"},
}
local LIMITS = {
   bodyBytesMax = 1048575,
   unauthenticatedBodyBytesMax = 1024,
   requestBodyBytesMax = 131071,
   frameLog2Min = 17,
   frameLog2Max = 20,
   tokenBytesMax = 32,
   ticketBytesMax = 255,
   scramBytesMax = 768,
   serviceKeyBytesMax = 64,
   bearerBytesMax = 1000,
   saltBytesMax = 64,
   iterationsMax = 10000000,
   pingBytesMax = 8,
   nameBytesMax = 64,
   fieldBytesMax = 8192,
   profileFieldsMax = 64,
   fieldNumberMax = 16383,
   aliasBytesMax = 256,
   entryGroupsMax = 16,
   groupBytesMax = 64,
   rosterEntriesMax = 16384,
   tableItemsMax = 32768,
   noteBytesMax = 64,
   messageBytesMax = 8192,
   messagesMax = 65536,
   pageBytesMax = 262144,
   actedBytesMax = 1048000,
   detailBytesMax = 255,
   pathBytesMax = 1023,
}
-- } end of what is generated

-- Fields --------------------------------------------------------------------------------------------------------------

local proto = Proto("tidemark", "Tidemark")
local POWER = {[0] = 1, 2, 4, 8, 16, 32, 64, 128}

local type_names = {}
for number, entry in pairs(TYPES) do type_names[number] = entry.name end

local f = {
   summary = ProtoField.string("tidemark.summary", "Summary"),
   length = ProtoField.uint24("tidemark.length", "Body length", base.DEC, nil, 0x0fffff),
   flags = ProtoField.uint8("tidemark.flags", "Flags", base.HEX, nil, 0xf0),
   ignorable = ProtoField.bool("tidemark.flags.ignorable", "Ignorable", 8, nil, 0x10),
   flags_reserved = ProtoField.uint8("tidemark.flags.reserved", "Reserved", base.HEX, nil, 0xe0),
   type = ProtoField.uint8("tidemark.type", "Type", base.HEX, type_names),
   request = ProtoField.uint16("tidemark.request", "Request id"),
   body = ProtoField.bytes("tidemark.body", "Body"),
   fragment = ProtoField.bytes("tidemark.fragment", "Part of a frame"),
   response_in = ProtoField.framenum("tidemark.response_in", "Answered in", base.NONE, frametype.RESPONSE),
   response_to = ProtoField.framenum("tidemark.response_to", "Answers the request in", base.NONE, frametype.REQUEST),
   time = ProtoField.relative_time("tidemark.time", "Time from request to answer"),
   refused = ProtoField.string("tidemark.refused", "Refused as"),
   rule = ProtoField.uint8("tidemark.rule", "Broken rule", base.DEC, RULES),
   offset = ProtoField.uint32("tidemark.offset", "Offset in the body"),

   mark = ProtoField.bytes("tidemark.mark", "Mark"),
   version_min = ProtoField.uint8("tidemark.version_min", "Lowest version"),
   version_max = ProtoField.uint8("tidemark.version_max", "Highest version"),
   frame_log2 = ProtoField.uint8("tidemark.frame_log2", "Bodies shorter than 2 to the"),
   device_class = ProtoField.uint8("tidemark.device_class", "Device class", base.DEC, DEVICE_CLASSES),
   device = ProtoField.uint64("tidemark.device", "Device", base.HEX),
   version = ProtoField.uint8("tidemark.version", "Version"),
   idle_seconds = ProtoField.uint32("tidemark.idle_seconds", "Idle limit (seconds)"),
   features = ProtoField.uint64("tidemark.features", "Features", base.HEX),
   method = ProtoField.uint8("tidemark.method", "Method", base.DEC, METHODS),
   ticket = ProtoField.bytes("tidemark.ticket", "Ticket"),
   ticket_key = ProtoField.uint16("tidemark.ticket.key", "Key"),
   ticket_user = ProtoField.uint64("tidemark.ticket.user", "User"),
   ticket_issued = ProtoField.absolute_time("tidemark.ticket.issued", "Issued", base.UTC),
   ticket_expires = ProtoField.absolute_time("tidemark.ticket.expires", "Expires", base.UTC),
   ticket_tag = ProtoField.bytes("tidemark.ticket.tag", "Tag"),
   scram = ProtoField.bytes("tidemark.scram", "SCRAM message"),
   iterations = ProtoField.uint32("tidemark.password.iterations", "Iterations"),
   salt = ProtoField.bytes("tidemark.password.salt", "Salt"),
   stored_key = ProtoField.bytes("tidemark.password.stored_key", "StoredKey"),
   server_key = ProtoField.bytes("tidemark.password.server_key", "ServerKey"),
   sign_out = ProtoField.uint8("tidemark.sign_out.scope", "Scope", base.DEC, SIGN_OUT_SCOPES),
   user = ProtoField.uint64("tidemark.user", "User"),
   name = ProtoField.string("tidemark.name", "Name"),

   options = ProtoField.uint8("tidemark.options", "Options", base.HEX),
   page_bytes = ProtoField.uint32("tidemark.page_bytes", "Page size (0: the default)"),
   token = ProtoField.bytes("tidemark.token", "Token"),
   answer = ProtoField.uint8("tidemark.answer", "Answer", base.DEC, ANSWERS, 0x03),
   last = ProtoField.bool("tidemark.last", "Last page", 8, nil, 0x04),
   stamps = ProtoField.bool("tidemark.stamps", "With stamps", 8, nil, 0x08),
   reason = ProtoField.uint8("tidemark.reason", "Reason of a full", base.DEC, FULL_REASONS, 0xf0),
   count = ProtoField.uint16("tidemark.count", "Items in this page"),
   item_kind = ProtoField.uint8("tidemark.item.kind", "Kind", base.DEC, ITEM_KINDS, 0x07),
   item_number = ProtoField.uint16("tidemark.item.number", "Number"),
   stamp = ProtoField.uint64("tidemark.stamp", "Stamp"),
   alias = ProtoField.string("tidemark.alias", "Alias"),
   group = ProtoField.string("tidemark.group", "Group"),
   favourite = ProtoField.uint8("tidemark.favourite", "Favourite"),
   field_number = ProtoField.uint16("tidemark.field.number", "Number", base.DEC, FIELD_NAMES),
   field_value = ProtoField.string("tidemark.field.value", "Value"),
   field_bytes = ProtoField.bytes("tidemark.field.bytes", "Value"),
   field_removed = ProtoField.bool("tidemark.field.removed", "Removed"),
   private_field = ProtoField.uint16("tidemark.private_field", "Private field", base.DEC, FIELD_NAMES),
   items = ProtoField.uint16("tidemark.items", "Live items in the table"),
   digest = ProtoField.uint64("tidemark.digest", "Digest", base.HEX),
   from = ProtoField.bytes("tidemark.from", "From token"),
   roster_answer = ProtoField.uint8("tidemark.roster_answer", "Answer", base.DEC, ROSTER_ANSWERS),
   blocked = ProtoField.uint8("tidemark.blocked", "Blocked"),
   note = ProtoField.string("tidemark.note", "Note"),
   scope = ProtoField.uint8("tidemark.presence.scope", "Scope", base.DEC, PRESENCE_SCOPES),
   presence_form = ProtoField.uint8("tidemark.presence.form", "Presence", base.DEC, PRESENCE_FORMS),
   presence_number = ProtoField.uint16("tidemark.presence.number", "Number"),
   presence_devices = ProtoField.uint8("tidemark.presence.devices", "Devices", base.HEX),
   presence_state = ProtoField.uint8("tidemark.presence.state", "State", base.DEC, PRESENCE_STATES),
   waiting = ProtoField.uint32("tidemark.waiting_messages", "Waiting messages"),
   since = ProtoField.uint64("tidemark.unchanged_since", "Only if unchanged since (0: no condition)"),
   message_id = ProtoField.bytes("tidemark.message.id", "Id"),
   message_kind = ProtoField.uint32("tidemark.message.kind", "Kind (0: text)"),
   message_content = ProtoField.bytes("tidemark.message.content", "Content"),
   messages = ProtoField.uint32("tidemark.messages", "Messages in this page"),
   left = ProtoField.uint32("tidemark.left", "Messages behind this page"),
   wish = ProtoField.uint8("tidemark.wish", "Wish", base.DEC, WISHES),
   shown = ProtoField.uint8("tidemark.last_seen.shown", "Shown"),
   last_seen = ProtoField.uint32("tidemark.last_seen", "Last seen (seconds since 1970; 0: no time)"),
   payload = ProtoField.bytes("tidemark.payload", "Payload"),

   go_away_reason = ProtoField.uint8("tidemark.go_away.reason", "Reason", base.DEC, GO_AWAY_REASONS),
   reconnect_after = ProtoField.uint32("tidemark.go_away.reconnect_after", "Reconnect after (milliseconds)"),
   error_code = ProtoField.uint8("tidemark.error.code", "Code", base.DEC, ERROR_CODES),
   error_closes = ProtoField.uint8("tidemark.error.closes", "Closes the connection"),
   error_retry = ProtoField.uint32("tidemark.error.retry_after", "Retry after (milliseconds)"),
   error_rule = ProtoField.uint8("tidemark.error.rule", "Rule", base.DEC, RULES),
   error_offset = ProtoField.uint32("tidemark.error.offset", "Offset"),
   detail = ProtoField.string("tidemark.detail", "Detail"),
   path = ProtoField.string("tidemark.path", "Path on the server's machine"),
   file_bytes = ProtoField.uint64("tidemark.file_bytes", "Size of the file (bytes)"),
   bearer = ProtoField.bytes("tidemark.bearer", "Bearer token"),
   service_key = ProtoField.bytes("tidemark.service_key", "Key"),
   disabled = ProtoField.uint8("tidemark.admin.disabled", "Disabled"),
   acted_type = ProtoField.uint8("tidemark.admin.body_type", "Type of the body", base.HEX),
   acted_body = ProtoField.bytes("tidemark.admin.body", "Body"),
   after = ProtoField.uint64("tidemark.admin.after", "After (0: from the first)"),
   next = ProtoField.uint64("tidemark.admin.next", "Next (0: no more)"),
   sessions = ProtoField.uint32("tidemark.admin.sessions", "Sessions in this page"),
   session = ProtoField.uint64("tidemark.admin.session", "Session", base.HEX),
   role = ProtoField.uint8("tidemark.admin.role", "Role", base.DEC, ROLES),
   service = ProtoField.string("tidemark.admin.service", "Service"),
   silence = ProtoField.uint64("tidemark.admin.silence", "Silent for (seconds)"),
   address = ProtoField.string("tidemark.admin.address", "Address"),
   figures = ProtoField.uint32("tidemark.admin.figures", "Figures"),
   figure = ProtoField.uint64("tidemark.admin.figure", "Value"),
   draining = ProtoField.uint8("tidemark.admin.draining", "Draining"),
   drain_over = ProtoField.uint32("tidemark.admin.drain_over", "Over (milliseconds)"),
   connections_left = ProtoField.uint32("tidemark.admin.left", "Connections left"),

   extension_tag = ProtoField.uint64("tidemark.extension.tag", "Tag"),
   extension_bytes = ProtoField.bytes("tidemark.extension.bytes", "Bytes"),
}
local item_flags, option_flags, fetch_flags, feature_flags = {}, {}, {}, {}
for bit, name in pairs(ITEM_FLAGS) do
   item_flags[bit] = ProtoField.bool("tidemark.item." .. name, name, 8, nil, POWER[bit])
   f["item_" .. name] = item_flags[bit]
end
for bit, name in pairs(OPTIONS) do
   option_flags[bit] = ProtoField.bool("tidemark.option." .. name, name, 8, nil, POWER[bit])
   f["option_" .. name] = option_flags[bit]
end
for bit, name in pairs(FETCH_OPTIONS) do
   fetch_flags[bit] = ProtoField.bool("tidemark.fetch_option." .. name, name, 8, nil, POWER[bit])
   f["fetch_option_" .. name] = fetch_flags[bit]
end
for bit, name in pairs(FEATURES) do
   feature_flags[bit] = ProtoField.bool("tidemark.feature." .. name, name)
   f["feature_" .. name] = feature_flags[bit]
end
proto.fields = f

local function mark(name, text, group, severity)
   return ProtoExpert.new("tidemark.expert." .. name, text, expert.group[group], expert.severity[severity])
end

local broken = {}
for _, name in pairs(RULES) do broken[name] = mark(name, "Broken rule: " .. name, "MALFORMED", "ERROR") end

local marks = {
   frameTooLarge = mark("frameTooLarge", "A body over the limit: the server closes", "PROTOCOL", "ERROR"),
   unknownType = mark("unknownType", "A type without a name, not ignorable: the receiver closes", "PROTOCOL", "ERROR"),
   unexpectedMessage = mark("unexpectedMessage", "Not from this end: the receiver closes", "PROTOCOL", "ERROR"),
   laidOut = mark("laidOut", "Laid out, not spoken in version 1", "UNDECODED", "NOTE"),
   passedOver = mark("passedOver", "A type without a name, ignorable: passed over", "UNDECODED", "CHAT"),
   extension = mark("extension", "An extension without a name: passed over", "UNDECODED", "CHAT"),
   error = mark("error", "The server refuses", "RESPONSE_CODE", "NOTE"),
   closes = mark("closes", "The server closes the connection", "RESPONSE_CODE", "WARN"),
   goAway = mark("goAway", "The server sends the client away", "RESPONSE_CODE", "NOTE"),
   fragment = mark("fragment", "Part of a frame that is not whole in the capture", "REASSEMBLE", "NOTE"),
   clipped = mark("clipped", "The capture does not have all bytes of this frame", "UNDECODED", "NOTE"),
}
local experts = {}
for _, each in pairs(broken) do table.insert(experts, each) end
for _, each in pairs(marks) do table.insert(experts, each) end
proto.experts = experts

-- Body: what SPEC.md, section 3, calls primitives ---------------------------------------------------------------------

local HEADER_BYTES = 6

-- The bytes of one frame's body. `at` and faults are offsets in the frame's tvb; nothing is read that is not there.
local Body = {}
Body.__index = Body

function Body.new(tvb, length)
   local stop = HEADER_BYTES + length
   return setmetatable({tvb = tvb, at = HEADER_BYTES, stop = stop, have = math.min(stop, tvb:len())}, Body)
end

local function fault(rule, at) error({rule = rule, at = at}, 0) end

function Body:left() return self.stop - self.at end

-- The bytes from an offset up to here, or the one byte at the end where there are none.
function Body:range(from) return self.tvb(from, self.at - from) end

function Body:take(count)
   local from = self.at
   if count > self.stop - from then fault("truncated", from) end
   if count > self.have - from then fault("clipped", from) end
   self.at = from + count
   return from
end

function Body:u8() return self.tvb(self:take(1), 1):uint() end

-- What the bits of a varint's bytes count in the lower and in the upper 32 bits.
local LOW = {[0] = 1, 128, 16384, 2097152, 268435456}
local HIGH = {[5] = 8, [6] = 1024, [7] = 131072, [8] = 16777216, [9] = 2147483648}

-- The value as a number (exact below 2^32), where it begins, and its two halves.
function Body:varint(most)
   local from, low, high = self.at, 0, 0
   for index = 0, 9 do
      if self.at >= self.stop then fault("truncated", from) end
      if self.at >= self.have then fault("clipped", from) end
      local byte = self:u8()
      if (index == 9 and byte > 1) or (index > 0 and byte == 0) then fault("varint", from) end
      local bits = byte % 128
      if index < 4 then
         low = low + bits * LOW[index]
      elseif index == 4 then
         low = low + (bits % 16) * LOW[4]
         high = (bits - bits % 16) / 16
      else
         high = high + bits * HIGH[index]
      end
      if byte < 128 then break end
   end
   high = math.floor(high)
   local value = low
   if high > 0 then value = low + high * 4294967296.0 end
   if most and value > most then fault("tooLong", from) end
   return value, from, low, high
end

-- The readers below put what they read into the tree, and return it.

function Body:byte(tree, field)
   local from = self:take(1)
   local value = self.tvb(from, 1):uint()
   return value, from, tree:add(field, self.tvb(from, 1), value)
end

function Body:named(tree, field, names)
   local value, from = self:byte(tree, field)
   if not names[value] then fault("value", from) end
   return names[value]
end

function Body:one_bit(tree, field)
   local value, from = self:byte(tree, field)
   if value > 1 then fault("reserved", from) end
   return value == 1
end

function Body:number(tree, field, most)
   local value, from = self:varint(most)
   return value, tree:add(field, self:range(from), value)
end

function Body:wide(tree, field)
   local value, from, low, high = self:varint()
   local wide = UInt64.new(low, high)
   return value, tree:add(field, self:range(from), wide), wide, from
end

function Body:user(tree)
   local value, _, wide, from = self:wide(tree, f.user)
   if value == 0 then fault("value", from) end
   return tostring(wide)
end

function Body:block(tree, field, most)
   local length, from = self:varint(most)
   local data = self:take(length)
   if length == 0 then tree:add(self:range(from), "No bytes")
   else tree:add(field, self.tvb(data, length)) end
   return length, data
end

function Body:short_block(tree, field, least, most)
   local from = self.at
   local length = self:u8()
   if length < least or length > most then fault("tooLong", from) end
   local data = self:take(length)
   if length == 0 then tree:add(self:range(from), "No token")
   else tree:add(field, self.tvb(data, length)) end
   return length
end

-- UTF-8 by RFC 3629, with none of the control characters of ASCII; in a field's value tab and line feed are allowed.
local function is_text(bytes, lines)
   if bytes:find("[\0-\8\11-\31\127]") or (not lines and bytes:find("[\9\10]")) then return false end
   local at, size = 1, #bytes
   while at <= size do
      local first = bytes:byte(at)
      local more, low, high = 0, 0x80, 0xbf
      if first >= 0x80 then
         if first >= 0xc2 and first <= 0xdf then more = 1
         elseif first >= 0xe0 and first <= 0xef then more = 2
         elseif first >= 0xf0 and first <= 0xf4 then more = 3
         else return false end
         if first == 0xe0 then low = 0xa0 elseif first == 0xed then high = 0x9f end
         if first == 0xf0 then low = 0x90 elseif first == 0xf4 then high = 0x8f end
      end
      for index = 1, more do
         local byte = bytes:byte(at + index)
         if not byte or byte < low or byte > high then return false end
         low, high = 0x80, 0xbf
      end
      at = at + 1 + more
   end
   return true
end

-- A value of text behind its length, which begins at `from`.
function Body:characters(tree, field, from, length, lines)
   local data = self:take(length)
   local bytes = length > 0 and self.tvb:raw(data, length) or ""
   if not is_text(bytes, lines) then fault("text", from) end
   return bytes, tree:add(field, self:range(from), bytes)
end

function Body:text(tree, field, most)
   local length, from = self:varint(most)
   return self:characters(tree, field, from, length, false)
end

-- Section 3: what is made of them -------------------------------------------------------------------------------------

function Body:reference(tree)
   local value, item, wide = self:wide(tree, f.user)
   if value ~= 0 then return tostring(wide) end
   item:append_text(" (by name)")
   local from = self.at
   local name = self:text(tree, f.name, LIMITS.nameBytesMax)
   if name == "" or name:find(" ", 1, true) then fault("text", from) end
   return name
end

local function date(low, high)
   local microseconds = low + high * 4294967296.0
   local seconds = math.floor(microseconds / 1000000)
   if seconds == 0 or seconds > 32503680000 then return "" end
   return string.format(" (%s.%06d UTC)", os.date("!%Y-%m-%d %H:%M:%S", seconds), math.floor(microseconds % 1000000))
end

function Body:stamp(tree, field)
   local value, from, low, high = self:varint()
   tree:add(field, self:range(from), UInt64.new(low, high)):append_text(date(low, high))
   return value, tostring(UInt64.new(low, high))
end

function Body:notes(tree)
   local alias = self:text(tree, f.alias, LIMITS.aliasBytesMax)
   for _ = 1, (self:varint(LIMITS.entryGroupsMax)) do self:text(tree, f.group, LIMITS.groupBytesMax) end
   return alias
end

function Body:annotations(tree)
   self:one_bit(tree, f.favourite)
   return self:notes(tree)
end

function Body:fields(tree)
   local count, number = self:varint(LIMITS.profileFieldsMax), 0
   for _ = 1, count do
      local head, from = self:varint(LIMITS.fieldBytesMax * 4 + 7)
      local step = head % 4
      local length = (head - step) / 4
      number = number + 1 + step
      if step == 3 then number = number + self:varint() end
      if number > LIMITS.fieldNumberMax then fault("value", from) end
      local known = FIELD_NAMES[number]
      local item = tree:add(self:range(from), "Field " .. number .. (known and " " .. known or ""))
      item:add(f.field_number, self:range(from), number)
      if length == 0 then
         item:add(f.field_removed, self:range(from), true)
         item:append_text(" removed")
      elseif number < OPERATOR_FIELDS_FROM then
         local value = self:characters(item, f.field_value, from, length - 1, true)
         item:append_text(": " .. value)
      else
         local data = self:take(length - 1)
         if length > 1 then item:add(f.field_bytes, self.tvb(data, length - 1)) end
         item:append_text(": " .. (length - 1) .. " bytes")
      end
      item:set_len(self.at - from)
   end
   return count
end

function Body:field_numbers(tree)
   local last = 0
   for _ = 1, (self:varint(LIMITS.profileFieldsMax)) do
      local number, from = self:varint()
      if number < 1 or number > LIMITS.fieldNumberMax then fault("value", from) end
      if number <= last then fault("order", from) end
      last = number
      tree:add(f.private_field, self:range(from), number)
   end
end

function Body:extensions(tree, message)
   local last = 0
   while self:left() > 0 do
      local start, item, tag, name = self.at, nil, nil, nil
      local sound, why = pcall(function()
         local value, from, low, high = self:varint()
         tag = value
         local known = EXTENSIONS[message] and EXTENSIONS[message][value]
         item = tree:add(self:range(from), "Extension")
         item:add(f.extension_tag, self:range(from), UInt64.new(low, high))
         name = known
         self:block(item, f.extension_bytes)
      end)
      if not sound then
         if type(why) == "table" and why.rule ~= "clipped" then fault("extensions", start) end
         error(why, 0)
      end
      if tag <= last then fault("extensions", start) end
      last = tag
      item:set_len(self.at - start)
      item:append_text(name and " " .. name or " without a name")
      if not name then item:add_proto_expert_info(marks.extension) end
   end
end

-- Section 5: the messages. Each function returns what the summary says of it. -----------------------------------------

local messages = {}

function messages.hello(body, tree)
   local from = body:take(2)
   tree:add(f.mark, body:range(from))
   if body.tvb:raw(from, 2) ~= "TM" then fault("mark", from) end
   local low = body:byte(tree, f.version_min)
   local high, high_from = body:byte(tree, f.version_max)
   if high < low then fault("value", high_from) end
   local size, size_from = body:byte(tree, f.frame_log2)
   if size < LIMITS.frameLog2Min then fault("value", size_from) end
   local class = body:byte(tree, f.device_class)
   local device = body:take(8)
   tree:add_le(f.device, body:range(device))
   return string.format("version %d to %d, %s", low, high, DEVICE_CLASSES[class] or DEVICE_CLASSES[0])
end

function messages.helloOK(body, tree)
   local version = body:byte(tree, f.version)
   local size, size_from = body:byte(tree, f.frame_log2)
   if size < LIMITS.frameLog2Min or size > LIMITS.frameLog2Max then fault("value", size_from) end
   body:number(tree, f.idle_seconds, 4294967295)
   local from = body.at
   local _, item, _, _ = body:wide(tree, f.features)
   local low = body.tvb(from, 1):uint() % 128
   for bit = 0, 6 do
      local set = math.floor(low / POWER[bit]) % 2 == 1
      if feature_flags[bit] then item:add(feature_flags[bit], body.tvb(from, 1), set) end
   end
   return "version " .. version
end

local function ticket(tree, tvb, data)
   local parts = tree:add(tvb(data, 35), "Ticket of layout " .. tvb(data, 1):uint())
   parts:add_le(f.ticket_key, tvb(data + 1, 2))
   parts:add_le(f.ticket_user, tvb(data + 3, 8))
   parts:add(f.ticket_issued, tvb(data + 11, 4), NSTime.new(tvb(data + 11, 4):le_uint(), 0))
   parts:add(f.ticket_expires, tvb(data + 15, 4), NSTime.new(tvb(data + 15, 4):le_uint(), 0))
   parts:add(f.ticket_tag, tvb(data + 19, 16))
   return " of user " .. tostring(tvb(data + 3, 8):le_uint64())
end

function messages.authenticate(body, tree)
   local method = body:named(tree, f.method, METHODS)
   if method == "trusted" then return "trusted, user " .. body:reference(tree) end
   if method == "scram" then return "scram, " .. body:block(tree, f.scram, LIMITS.scramBytesMax) .. " bytes" end
   if method == "service" then
      local length = body:block(tree, f.service_key, LIMITS.serviceKeyBytesMax)
      return length == 0 and "service, by certificate" or "service, by key"
   end
   if method == "bearer" then return "bearer, " .. body:block(tree, f.bearer, LIMITS.bearerBytesMax) .. " bytes" end
   local length, data = body:block(tree, f.ticket, LIMITS.ticketBytesMax)
   local whose = ""
   local layout = length == 35 and body.tvb(data, 1):uint()
   if layout == 1 or layout == 2 then whose = ticket(tree, body.tvb, data) end
   return "ticket" .. whose
end

local function scram(body, tree) return "scram, " .. body:block(tree, f.scram, LIMITS.scramBytesMax) .. " bytes" end
messages.authenticateContinue, messages.authenticateChallenge = scram, scram

local function verifier(body, tree)
   local from = body.at
   local iterations = body:number(tree, f.iterations, LIMITS.iterationsMax)
   if iterations == 0 then fault("value", from) end
   body:block(tree, f.salt, LIMITS.saltBytesMax)
   for _, key in ipairs({f.stored_key, f.server_key}) do tree:add(key, body:range(body:take(32))) end
   return iterations .. " iterations"
end
messages.passwordSet = verifier

function messages.signOut(body, tree) return body:named(tree, f.sign_out, SIGN_OUT_SCOPES) end

function messages.authenticateOK(body, tree)
   local value, _, wide = body:wide(tree, f.user)
   return value == 0 and "no user" or "user " .. tostring(wide)
end

local function request_since(body, tree, flags, names)
   local from = body:take(1)
   local options, said = body.tvb(from, 1):uint(), ""
   local item = tree:add(f.options, body:range(from), options)
   local reserved = options
   for bit = 0, 7 do
      if flags[bit] then
         item:add(flags[bit], body:range(from))
         if math.floor(options / POWER[bit]) % 2 == 1 then
            said = said .. ", " .. names[bit]
            reserved = reserved - POWER[bit]
         end
      end
   end
   if reserved ~= 0 then fault("reserved", from) end
   local size = body:number(tree, f.page_bytes, LIMITS.pageBytesMax)
   if size > 0 then said = ", pages of " .. size .. said end
   local length = body:short_block(tree, f.token, 0, LIMITS.tokenBytesMax)
   return (length == 0 and "no token" or "token of " .. length .. " bytes") .. said
end

function messages.sync(body, tree) return request_since(body, tree, option_flags, OPTIONS) end
function messages.messageFetch(body, tree) return request_since(body, tree, fetch_flags, FETCH_OPTIONS) end

local function payload(body, tree)
   local length = body:left()
   if length > LIMITS.pingBytesMax then fault("tooLong", body.at) end
   if length > 0 then tree:add(f.payload, body.tvb(body:take(length), length)) end
   return length .. " bytes"
end
messages.ping, messages.pong = payload, payload

function messages.profileSet(body, tree)
   body:stamp(tree, f.since)
   local from = body.at
   local count = body:fields(tree)
   if count == 0 then fault("value", from) end
   body:field_numbers(tree)
   return count .. (count == 1 and " field" or " fields")
end

local function acknowledged(body, tree)
   local value, stamp = body:stamp(tree, f.stamp)
   return value == 0 and "nothing changed" or "stamp " .. stamp
end
for _, name in ipairs({"profileSetOK", "rosterRemoveOK", "rosterAnnotateOK", "rosterAnswerOK", "blockSetOK",
                       "messageSendOK", "lastSeenSetOK", "passwordSetOK", "signOutOK", "adminAccountDisableOK",
                       "adminAccountDeleteOK", "adminPasswordSetOK"}) do
   messages[name] = acknowledged
end

function messages.rosterAdd(body, tree)
   local who = body:reference(tree)
   body:annotations(tree)
   return "user " .. who
end

function messages.rosterAddOK(body, tree)
   local said = acknowledged(body, tree)
   local user = body:user(tree)
   local number = body:number(tree, f.item_number, LIMITS.rosterEntriesMax - 1)
   return string.format("%s, user %s is number %d", said, user, number)
end

function messages.rosterRemove(body, tree)
   body:stamp(tree, f.since)
   return "user " .. body:user(tree)
end

function messages.rosterAnnotate(body, tree)
   body:stamp(tree, f.since)
   local user = body:user(tree)
   body:annotations(tree)
   return "user " .. user
end

function messages.rosterAnswer(body, tree)
   local user = body:user(tree)
   return string.format("user %s, %s", user, body:named(tree, f.roster_answer, ROSTER_ANSWERS))
end

function messages.blockSet(body, tree)
   local user = body:user(tree)
   local said = body:one_bit(tree, f.blocked) and "blocked" or "unblocked"
   local note = body:text(tree, f.note, LIMITS.noteBytesMax)
   return string.format(note == "" and "user %s, %s" or "user %s, %s, %s", user, said, note)
end

function messages.presenceSet(body, tree) return body:named(tree, f.wish, WISHES) end

function messages.presenceSetOK() return "" end

function messages.lastSeenSet(body, tree) return body:one_bit(tree, f.shown) and "shown" or "hidden" end

function messages.lastSeenGet(body, tree) return "user " .. body:user(tree) end

function messages.lastSeenGetOK(body, tree)
   local shown = body:one_bit(tree, f.shown)
   local at = body:number(tree, f.last_seen, 4294967295)
   if not shown then return "not shown" end
   return at == 0 and "no time" or "at " .. at
end

function messages.adminAccountCreate(body, tree)
   local from = body.at
   local name = body:text(tree, f.name, LIMITS.nameBytesMax)
   if name == "" or name:find(" ", 1, true) then fault("text", from) end
   local value, _, wide = body:wide(tree, f.user)
   return value == 0 and name or string.format("%s as %s", name, tostring(wide))
end

function messages.adminAccountCreateOK(body, tree)
   local said = acknowledged(body, tree)
   return string.format("%s, user %s", said, body:user(tree))
end

function messages.adminAccountDisable(body, tree)
   local who = body:reference(tree)
   return string.format("user %s, %s", who, body:one_bit(tree, f.disabled) and "disabled" or "enabled")
end

function messages.adminAccountDelete(body, tree) return "user " .. body:reference(tree) end

function messages.adminPasswordSet(body, tree)
   local who = body:reference(tree)
   return string.format("user %s, %s", who, verifier(body, tree))
end

local function acted(body, tree, most)
   local kind = body:byte(tree, f.acted_type)
   local length = body:block(tree, f.acted_body, most)
   return string.format("%s, %d bytes", TYPES[kind] and TYPES[kind].name or "type " .. kind, length)
end

function messages.adminActFor(body, tree)
   local who = body:reference(tree)
   return string.format("user %s, %s", who, acted(body, tree, LIMITS.requestBodyBytesMax))
end

function messages.adminActForOK(body, tree)
   local user = body:user(tree)
   return string.format("user %s, %s", user, acted(body, tree, LIMITS.actedBytesMax))
end

function messages.adminSessions(body, tree)
   local value, _, wide = body:wide(tree, f.user)
   body:wide(tree, f.after)
   body:number(tree, f.page_bytes, LIMITS.pageBytesMax)
   return value == 0 and "of all" or "of user " .. tostring(wide)
end

function Body:holder(tree)
   local value, _, wide = self:wide(tree, f.user)
   if value ~= 0 then return "user " .. tostring(wide) end
   local role = self:named(tree, f.role, ROLES)
   return role .. " " .. self:text(tree, f.service, LIMITS.nameBytesMax)
end

function messages.adminSessionsPage(body, tree)
   local more = body:wide(tree, f.next)
   local count = body:number(tree, f.sessions, LIMITS.bodyBytesMax)
   for _ = 1, count do
      local from = body.at
      local part = tree:add(body.tvb(0, 0), "Session")
      body:wide(part, f.session)
      local holder = body:holder(part)
      body:byte(part, f.device_class)
      local device = body:take(8)
      part:add_le(f.device, body:range(device))
      body:wide(part, f.silence)
      part:append_text(string.format(": %s, %s", holder, body:text(part, f.address, LIMITS.nameBytesMax)))
      part:set_len(body.at - from)
   end
   return string.format("%d sessions%s", count, more == 0 and "" or ", more to come")
end

function messages.adminStatistics() return "" end

function messages.adminStatisticsOK(body, tree)
   local count = body:number(tree, f.figures, LIMITS.bodyBytesMax)
   for _ = 1, count do
      local from = body.at
      local part = tree:add(body.tvb(0, 0), "Figure")
      local name = body:text(part, f.name, LIMITS.nameBytesMax)
      local _, _, value = body:wide(part, f.figure)
      part:append_text(string.format(": %s %s", name, tostring(value)))
      part:set_len(body.at - from)
   end
   return count .. " figures"
end

function messages.adminDrain(body, tree)
   local begins = body:one_bit(tree, f.draining)
   local over = body:number(tree, f.drain_over, 4294967295)
   return begins and string.format("begin, over %d ms", over) or "end"
end

function messages.adminDrainOK(body, tree) return body:number(tree, f.connections_left, 4294967295) .. " left" end

messages.adminReload, messages.adminReloadOK, messages.adminDisconnectOK =
   messages.adminStatistics, messages.adminStatistics, messages.adminStatistics

function messages.adminBackup(body, tree) return body:text(tree, f.path, LIMITS.pathBytesMax) end

function messages.adminBackupOK(body, tree)
   local value, stamp = body:stamp(tree, f.stamp)
   local _, _, bytes = body:wide(tree, f.file_bytes)
   return (value == 0 and "nothing yet" or "stamp " .. stamp) .. ", " .. tostring(bytes) .. " bytes"
end

local function go_away(body, tree)
   local reason = body:byte(tree, f.go_away_reason)
   local wait = body:number(tree, f.reconnect_after, 4294967295)
   local detail = body:text(tree, f.detail, LIMITS.detailBytesMax)
   return string.format("%s, back after %d ms: %s", GO_AWAY_REASONS[reason] or "unknown", wait, detail)
end

function messages.goAway(body, tree)
   tree:add_proto_expert_info(marks.goAway)
   return go_away(body, tree)
end

function messages.adminDisconnect(body, tree)
   local _, _, wide = body:wide(tree, f.session)
   return string.format("session %s, %s", wide:tohex(), go_away(body, tree))
end

messages["error"] = function(body, tree)
   local code = body:byte(tree, f.error_code)
   local closes = body:one_bit(tree, f.error_closes)
   local wait = body:number(tree, f.error_retry, 4294967295)
   local rule = body:byte(tree, f.error_rule)
   local said = ERROR_CODES[code] or "code " .. code
   if rule ~= 0 then
      local offset = body:number(tree, f.error_offset, LIMITS.bodyBytesMax)
      said = string.format("%s (%s, offset %d)", said, RULES[rule] or "unknown", offset)
   end
   if wait > 0 then said = said .. ", again after " .. wait .. " ms" end
   if closes then said = said .. ", closes" end
   local detail = body:text(tree, f.detail, LIMITS.detailBytesMax)
   tree:add_proto_expert_info(closes and marks.closes or marks.error, said)
   return detail == "" and said or said .. ": " .. detail
end

-- Sections 5 and 8: a page --------------------------------------------------------------------------------------------

local function add_stamp(body, tree, before)
   local _, from, low, high = body:varint()
   local zero = low == 0 and high == 0
   low, high = low + before.low, high + before.high
   if low >= 4294967296 then low, high = low - 4294967296, high + 1 end
   if zero or high >= 16777216 then fault("order", from) end
   tree:add(f.stamp, body:range(from), UInt64.new(low, high)):append_text(date(low, high))
   return {low = low, high = high}
end

local function item(body, tree, before)
   local from = body:take(1)
   local head = body.tvb(from, 1):uint()
   local part = tree:add(body:range(from), "Item")
   part:add(f.item_kind, body:range(from))
   local kind = ITEM_KINDS[head % 8]
   if not kind then fault("value", from) end
   for bit = 0, 7 do
      if kind == "contact" and item_flags[bit] then part:add(item_flags[bit], body:range(from)) end
   end
   if head >= (kind == "contact" and 64 or 8) then fault("reserved", from) end
   local number = 0
   local is_aside = kind == "block" or kind == "request" or kind == "forgotten"
   if kind ~= "own" and not is_aside then
      local number_from = body.at
      number = body:number(part, f.item_number, LIMITS.rosterEntriesMax - 1)
      if number == 0 and kind ~= "patch" then fault("value", number_from) end
   end
   if before then before = add_stamp(body, part, before) end
   local said = is_aside and string.format("%s, user %s", kind, body:user(part)) or kind .. " " .. number
   if kind == "contact" then
      said = string.format("%s, user %s", said, body:user(part))
   end
   if kind == "block" then said = said .. ", " .. body:text(part, f.note, LIMITS.noteBytesMax) end
   if kind == "contact" or kind == "own" or kind == "request" then
      said = said .. ", " .. body:text(part, f.name, LIMITS.nameBytesMax)
   end
   if kind == "contact" and head >= 32 then body:notes(part) end
   if kind ~= "removed" and not is_aside then body:fields(part) end
   if kind == "own" then body:field_numbers(part) end
   part:append_text(": " .. said)
   part:set_len(body.at - from)
   return before
end

-- `online` gathers those that are not offline.
local function entry(body, tree, from, number, state, online)
   local part = tree:add(body:range(from), string.format("Number %d is %s", number, PRESENCE_STATES[state]))
   part:add(f.presence_number, body:range(from), number)
   part:add(f.presence_state, body:range(from), state)
   if state ~= 0 then online[#online + 1] = part end
end

local function presence_list(body, tree, online)
   local number = -1
   for _ = 1, (body:varint(LIMITS.rosterEntriesMax)) do
      local value, from = body:varint()
      number = number + math.floor(value / 4) + 1
      if number >= LIMITS.rosterEntriesMax then fault("tooLong", from) end
      entry(body, tree, from, number, value % 4, online)
   end
end

local function presence_bitmap(body, tree, online)
   local length = body:varint(LIMITS.rosterEntriesMax / 4)
   local data = body:take(length)
   body.at = data
   for index = 0, length - 1 do
      local from = body:take(1)
      local states = body.tvb(from, 1):uint()
      for slot = 0, 3 do
         local state = math.floor(states / POWER[2 * slot]) % 4
         if state ~= 0 then entry(body, tree, from, 4 * index + slot, state, online) end
      end
   end
end

-- Three bits for each.
local function devices(body, online)
   local from = body:take(math.floor((3 * #online + 7) / 8))
   for place, part in ipairs(online) do
      local value, names = 0, {}
      local first, last = 3 * (place - 1), 3 * (place - 1) + 2
      for at = first, last do
         local byte = body.tvb(from + math.floor(at / 8), 1):uint()
         if math.floor(byte / POWER[at % 8]) % 2 == 1 then
            value = value + POWER[at - first]
            names[#names + 1] = PRESENCE_DEVICES[at - first]
         end
      end
      local begin = math.floor(first / 8)
      part:add(f.presence_devices, body.tvb(from + begin, math.floor(last / 8) - begin + 1), value)
      if #names > 0 then part:append_text(" on " .. table.concat(names, ", ")) end
   end
end

local function presence(body, tree)
   local form, from, part = body:byte(tree, f.presence_form)
   if not PRESENCE_FORMS[form] then fault("value", from) end
   local online = {}
   if form == 1 or form == 3 then presence_list(body, part, online) end
   if form == 2 or form == 4 then presence_bitmap(body, part, online) end
   if form >= 3 then devices(body, online) end
   part:set_len(body.at - from)
   return #online
end

-- Says what came before the totals, and whether they come.
local function page(body, tree)
   local from = body:take(1)
   local head = body.tvb(from, 1):uint()
   for _, field in ipairs({f.answer, f.last, f.stamps, f.reason}) do tree:add(field, body:range(from)) end
   local answer, last, stamps = ANSWERS[head % 4], math.floor(head / 4) % 2 == 1, math.floor(head / 8) % 2 == 1
   local reason = math.floor(head / 16)
   if not answer then fault("value", from) end
   body:short_block(tree, f.token, 1, LIMITS.tokenBytesMax)
   local count = body:number(tree, f.count, LIMITS.tableItemsMax)
   local before = stamps and {low = 0, high = 0} or nil
   for _ = 1, count do before = item(body, tree, before) end
   local said = answer
   if reason ~= 0 then said = said .. " (" .. (FULL_REASONS[reason] or "unknown") .. ")" end
   said = string.format("%s, %d %s", said, count, count == 1 and "item" or "items")
   if not last then return said .. ", more to come", false end
   return said, true
end

local function totals(body, tree)
   local items = body:number(tree, f.items, LIMITS.tableItemsMax)
   local digest = body:take(8)
   tree:add_le(f.digest, body:range(digest))
   return items
end

function messages.syncPage(body, tree)
   local said, last = page(body, tree)
   if not last then return said end
   local items = totals(body, tree)
   local online = presence(body, tree)
   body:number(tree, f.waiting, 4294967295)
   return string.format("%s, last page, %d in the table, %d online", said, items, online)
end

function messages.pushDelta(body, tree)
   body:short_block(tree, f.from, 1, LIMITS.tokenBytesMax)
   local said, last = page(body, tree)
   if not last then return said end
   return string.format("%s, last page, %d in the table", said, totals(body, tree))
end

function messages.pushPresence(body, tree)
   local scope, from = body:byte(tree, f.scope)
   if not PRESENCE_SCOPES[scope] then fault("value", from) end
   return string.format("%s, %d online", PRESENCE_SCOPES[scope], (presence(body, tree)))
end

-- Section 5: messages between users -----------------------------------------------------------------------------------

local function content(body, tree)
   tree:add(f.message_id, body.tvb(body:take(16), 16))
   local kind = body:number(tree, f.message_kind, 4294967295)
   return string.format("kind %d, %d bytes", kind, (body:block(tree, f.message_content, LIMITS.messageBytesMax)))
end

function messages.messageSend(body, tree)
   local user = body:user(tree)
   return string.format("to user %s, %s", user, content(body, tree))
end

function messages.messagePage(body, tree)
   body:short_block(tree, f.token, 1, LIMITS.tokenBytesMax)
   local waiting = body:number(tree, f.waiting, LIMITS.messagesMax)
   local left = body:number(tree, f.left, LIMITS.messagesMax)
   local count = body:number(tree, f.messages, LIMITS.messagesMax)
   local before = {low = 0, high = 0}
   for _ = 1, count do
      local from = body.at
      local part = tree:add(body.tvb(0, 0), "Message")
      before = add_stamp(body, part, before)
      local user = body:user(part)
      part:append_text(string.format(": from user %s, %s", user, content(body, part)))
      part:set_len(body.at - from)
   end
   return string.format("%d messages, %d waiting, %d left", count, waiting, left)
end

function messages.pushMessages(body, tree)
   body:short_block(tree, f.from, 1, LIMITS.tokenBytesMax)
   return messages.messagePage(body, tree)
end

function messages.messageAcknowledge(body, tree)
   return "token of " .. body:short_block(tree, f.token, 1, LIMITS.tokenBytesMax) .. " bytes"
end

function messages.messageAcknowledgeOK(body, tree)
   return body:number(tree, f.waiting, LIMITS.messagesMax) .. " waiting"
end

-- State of the connections --------------------------------------------------------------------------------------------
--
-- All of it is learned on the first pass over the packets, and remembered by packet, so that later passes, in any
-- order, show the same.

local get_stream = Field.new("tcp.stream")
local get_lost = Field.new("tcp.analysis.lost_segment")
local get_completeness = Field.new("tcp.completeness")

local streams, starts, too_large, pairs_found, shown

local function forget()
   streams, starts, too_large, pairs_found, shown = {}, {}, {}, {}, {}
end
forget()
proto.init = forget

proto.prefs.ports = Pref.range("TCP ports", "8433", "The ports at which servers listen", 65535)
local registered = nil

local function is_server(port)
   for low, high in tostring(proto.prefs.ports):gmatch("(%d+)%-?(%d*)") do
      low, high = tonumber(low), tonumber(high) or tonumber(low)
      if port >= low and port <= high then return true end
   end
   return false
end

local function stream_of(pinfo)
   local info = get_stream()
   local key = info and tostring(info.value) or "none"
   local stream = streams[key]
   if not stream then
      stream = {client = {asked = {}}, server = {asked = {}}}
      streams[key] = stream
   end
   return stream
end

local function is_hello(bytes)
   return bytes:byte(4) == 1 and (#bytes < 8 or bytes:sub(7, 8) == "TM")
end

-- The end that says hello is the client; without one the port tells, and at last the type of the first frame.
local function from_client(stream, pinfo, bytes)
   if stream.client_port then return pinfo.src_port == stream.client_port end
   local client
   if is_server(pinfo.dst_port) then client = true
   elseif is_server(pinfo.src_port) then client = false
   elseif #bytes >= HEADER_BYTES then client = bytes:byte(4) < 0x40
   else return true end
   stream.client_port = client and pinfo.src_port or pinfo.dst_port
   return client
end

-- Where frames begin --------------------------------------------------------------------------------------------------
--
-- A capture may begin within a frame, or miss some segments. A header is taken for one without knowing where the frame
-- before ended only if everything about it fits.

local LONG = {syncPage = true, profileSet = true, pushDelta = true, messageSend = true, messagePage = true,
              pushMessages = true, adminActFor = true, adminActForOK = true, adminSessionsPage = true,
              adminStatisticsOK = true, adminExportPage = true}
local EMPTY = {ping = true, pong = true, presenceSetOK = true, adminDisconnectOK = true, adminStatistics = true,
               adminReload = true, adminReloadOK = true}

local function header(bytes, at)
   local a, b, c, kind, low, high = bytes:byte(at + 1, at + HEADER_BYTES)
   return a + b * 256 + (c % 16) * 65536, math.floor(c / 16), kind, low + high * 256
end

local function most_of(client) return client and LIMITS.requestBodyBytesMax or LIMITS.bodyBytesMax end

local function fits(bytes, at, client)
   local length, flags, kind, request = header(bytes, at)
   local entry = TYPES[kind]
   if flags > 1 or length > most_of(client) then return false end
   if not entry then return flags == 1 and length <= 4096 and at + HEADER_BYTES + length <= #bytes end
   if entry.from ~= "both" and (entry.from == "client") ~= client then return false end
   if not LONG[entry.name] and length > 4096 or not EMPTY[entry.name] and length == 0 then return false end
   if entry.kind == "push" then return request == 0 end
   if entry.name == "hello" and bytes:sub(at + 7, at + 8) ~= ("TM"):sub(1, math.max(0, #bytes - at - 6)) then
      return false
   end
   return entry.from ~= "client" or request ~= 0
end

-- Whether frames that fit follow each other from here to the end; behind at least one, the last may be cut.
local function chain(bytes, at, client)
   local whole = 0
   while true do
      if at == #bytes then return whole > 0 end
      if #bytes - at < HEADER_BYTES then return whole > 0 end
      if not fits(bytes, at, client) then return false end
      at = at + HEADER_BYTES + header(bytes, at)
      if at > #bytes then return whole > 0 end
      whole = whole + 1
   end
end

-- The first offset from which frames follow each other, or nil.
local function search(bytes, client)
   if #bytes >= HEADER_BYTES and fits(bytes, 0, client) then return 0 end
   for at = 1, #bytes - HEADER_BYTES do
      if fits(bytes, at, client) and chain(bytes, at, client) then return at end
   end
   return nil
end

-- Bit 0 of tcp.completeness: the capture has the SYN.
local function has_handshake()
   local info = get_completeness()
   return info and info.value % 2 == 1
end

-- How many bytes stand in front of the first frame; all of them if there is none.
local function find_start(bytes, direction, client)
   local begun = direction.state ~= nil
   if get_lost() then direction.state = "lost" end
   if #bytes < HEADER_BYTES then return direction.state == "lost" and #bytes or 0 end
   local first = header(bytes, 0)
   if direction.state == "known" then
      local next_at = HEADER_BYTES + first
      local follows = next_at == #bytes or next_at < #bytes and chain(bytes, next_at, client)
      if fits(bytes, 0, client) or follows then return 0 end
      return search(bytes, client) or 0
   end
   if not begun and direction.state ~= "lost" and (has_handshake() or client and is_hello(bytes)) then
      direction.state, direction.whole = "known", true
      return 0
   end
   local at = search(bytes, client)
   direction.state = at and "known" or "lost"
   return at or #bytes
end

-- A frame -------------------------------------------------------------------------------------------------------------

local function pairing(tree, tvb, found)
   if not found then return end
   if found.response_in then tree:add(f.response_in, tvb(0, 0), found.response_in):set_generated() end
   if found.response_to then
      tree:add(f.response_to, tvb(0, 0), found.response_to):set_generated()
      local seconds = math.floor(found.time)
      local time = NSTime.new(seconds, math.floor((found.time - seconds) * 1000000000 + 0.5))
      tree:add(f.time, tvb(0, 0), time):set_generated()
   end
end

-- A request waits under its id at the end that sent it, until its answer comes from the other one.
-- So does what is no request, for the error that it gets; a server passes over a pong and what is ignorable.
local function pair_up(now, key, pinfo, entry, flags, request)
   local mine, theirs = now.direction, now.other
   local kind = entry and entry.kind or "unknown"
   local asks = kind == "request" or now.client and (entry and entry.name ~= "pong" or not entry and flags ~= 1)
   if asks then
      local waiting = mine.asked[request] or {}
      local replies = entry and entry.replies or {}
      table.insert(waiting, {key = key, frame = pinfo.number, at = pinfo.rel_ts, replies = replies})
      mine.asked[request] = waiting
   elseif kind == "reply" or kind == "error" and request ~= 0 then
      local waiting = theirs.asked[request] or {}
      local asked = waiting[1]
      if not asked or kind == "reply" and not asked.replies[entry.name] then return end
      table.remove(waiting, 1)
      pairs_found[asked.key] = {response_in = pinfo.number}
      pairs_found[key] = {response_to = asked.frame, time = pinfo.rel_ts - asked.at}
   end
end

local function refuse(tree, code)
   tree:add(f.refused, code):set_generated()
   tree:add_proto_expert_info(marks[code])
   return "(" .. code .. ")"
end

local function show_fault(tree, tvb, why)
   local at = math.max(0, math.min(why.at, tvb:len() - 1))
   if why.rule == "clipped" then
      tree:add_proto_expert_info(marks.clipped)
      return "(not all bytes captured)"
   end
   local offset = math.max(0, why.at - HEADER_BYTES)
   local said = string.format("invalid: %s, offset %d", why.rule, offset)
   for number, name in pairs(RULES) do
      if name == why.rule then tree:add(f.rule, tvb(at, 1), number):set_generated() end
   end
   tree:add(f.offset, tvb(at, 1), offset):set_generated():add_tvb_expert_info(broken[why.rule], tvb(at, 1), said)
   return "(" .. said .. ")"
end

-- The checks of section 4, in their order; what the frame means, or what is wrong with it.
local function meaning(now, tvb, tree, length, flags, kind, request)
   local entry = TYPES[kind]
   local function bytes()
      local there = math.min(length, tvb:len() - HEADER_BYTES)
      if there > 0 then tree:add(f.body, tvb(HEADER_BYTES, there)) end
   end
   if now.too_large then bytes() return refuse(tree, "frameTooLarge") end
   if flags > 1 then bytes() return show_fault(tree, tvb, {rule = "reserved", at = 2, header = true}) end
   if not entry then
      bytes()
      if flags == 0 then return refuse(tree, "unknownType") end
      tree:add_proto_expert_info(marks.passedOver)
      return "(passed over)"
   end
   if entry.from ~= "both" and (entry.from == "client") ~= now.client then
      bytes()
      return refuse(tree, "unexpectedMessage")
   end
   if now.client and request == 0 and entry.kind == "request" then
      bytes()
      return show_fault(tree, tvb, {rule = "value", at = 4, header = true})
   end
   if not entry.spoken then
      bytes()
      tree:add_proto_expert_info(marks.laidOut)
      return "(laid out, " .. length .. " bytes)"
   end
   local body = Body.new(tvb, length)
   local sound, result = pcall(function()
      local said = messages[entry.name](body, tree)
      body:extensions(tree, entry.name)
      return said
   end)
   if sound then return result end
   if type(result) ~= "table" then error(result, 0) end
   return show_fault(tree, tvb, result)
end

local now

local function dissect_frame(tvb, pinfo, root)
   local bytes = tvb:raw(0, HEADER_BYTES)
   local length, flags, kind, request = header(bytes, 0)
   local entry = TYPES[kind]
   local key = pinfo.number .. ":" .. now.size .. ":" .. tvb:offset()
   local name = entry and entry.name or string.format("type %02x", kind)
   local tree = root:add(proto, tvb(0, tvb:len()), "Tidemark, " .. name)

   tree:add_le(f.length, tvb(0, 3))
   local flag_tree = tree:add(f.flags, tvb(2, 1))
   flag_tree:add(f.ignorable, tvb(2, 1))
   flag_tree:add(f.flags_reserved, tvb(2, 1))
   tree:add(f.type, tvb(3, 1))
   tree:add_le(f.request, tvb(4, 2))

   if not pinfo.visited then
      if now.client and name == "authenticate" then now.direction.authenticating = true end
      pair_up(now, key, pinfo, entry, flags, request)
   end
   pairing(tree, tvb, pairs_found[key])

   now.too_large = too_large[key]
   local said = meaning(now, tvb, tree, length, flags, kind, request)
   local summary = string.format("%s #%d%s%s", name, request, said ~= "" and " " or "", said)
   tree:add(f.summary, tvb(0, tvb:len()), summary):set_generated()
   tree:set_text("Tidemark, " .. summary)
   pinfo.cols.info:append((now.first and "" or "; ") .. summary)
   now.first = false
   return tvb:len()
end

-- The length of a frame with its header. Of one whose header announces too much, the bytes that are there: the server
-- does not wait for more.
local function frame_length(tvb, pinfo, offset)
   local length, _, kind = header(tvb:raw(offset, HEADER_BYTES), 0)
   local key = pinfo.number .. ":" .. now.size .. ":" .. tvb(offset):tvb():offset()
   if not pinfo.visited then
      local limit = most_of(now.client)
      -- An administrator's session begins with the hello.
      local administers = kind >= 0x30 and kind <= 0x3b
      if now.client and now.direction.whole and not now.direction.authenticating and not administers then
         limit = LIMITS.unauthenticatedBodyBytesMax
      end
      too_large[key] = length > limit or nil
   end
   if too_large[key] then return tvb:reported_len() - offset end
   return HEADER_BYTES + length
end

-- Where the capture has less of a segment than was sent, nothing can be put together: the frames are taken as they are.
local function dissect_clipped(tvb, pinfo, root, start, size)
   while start + HEADER_BYTES <= size do
      local length = frame_length(tvb, pinfo, start)
      dissect_frame(tvb(start, math.min(length, size - start)):tvb(), pinfo, root)
      start = start + length
   end
   if start > tvb:reported_len() and not pinfo.visited then now.direction.state = "lost" end
end

local function dissect(tvb, pinfo, root)
   local size = tvb:len()
   if size == 0 then return 0 end
   local stream, bytes = stream_of(pinfo), tvb:raw(0, size)
   local client = from_client(stream, pinfo, bytes)
   local direction, other = stream.server, stream.client
   if client then direction, other = stream.client, stream.server end

   local key = pinfo.number .. ":" .. size .. ":" .. tvb:offset()
   if not pinfo.visited or not starts[key] then starts[key] = find_start(bytes, direction, client) end
   local start = starts[key]

   pinfo.cols.protocol = "Tidemark"
   local again = shown.number == pinfo.number and shown.text == tostring(pinfo.cols.info)
   if not again then pinfo.cols.info:clear() end
   now = {client = client, direction = direction, other = other, size = size, first = not again}

   if start > 0 then
      local tree = root:add(proto, tvb(0, start), "Tidemark, part of a frame")
      tree:add(f.fragment, tvb(0, start))
      tree:add(f.summary, tvb(0, start), "part of a frame"):set_generated()
      tree:add_proto_expert_info(marks.fragment)
      pinfo.cols.info:append((now.first and "" or "; ") .. "part of a frame")
      now.first = false
   end
   if size < tvb:reported_len() then
      dissect_clipped(tvb, pinfo, root, start, size)
   elseif start < size then
      dissect_tcp_pdus(start == 0 and tvb or tvb(start):tvb(), root, HEADER_BYTES, frame_length, dissect_frame)
      if start > 0 and pinfo.desegment_len ~= 0 then pinfo.desegment_offset = pinfo.desegment_offset + start end
   end
   shown = {number = pinfo.number, text = tostring(pinfo.cols.info)}
   return size
end

function proto.dissector(tvb, pinfo, root) return dissect(tvb, pinfo, root) end

-- Registration --------------------------------------------------------------------------------------------------------

local function listen()
   local ports = DissectorTable.get("tcp.port")
   if registered then ports:remove(registered, proto) end
   registered = tostring(proto.prefs.ports)
   if registered ~= "" then ports:add(registered, proto) end
end

function proto.prefs_changed() listen() end
listen()

-- On any port: a hello is 14 bytes and more, in a frame whose flags are clear or ignorable, with the mark behind it.
proto:register_heuristic("tcp", function(tvb, pinfo, root)
   if tvb:len() < 20 then return false end
   local bytes = tvb:raw(0, 8)
   local length, flags, kind, request = header(bytes, 0)
   if kind ~= 1 or flags > 1 or length < 14 or length > 1024 or request == 0 or bytes:sub(7, 8) ~= "TM" then
      return false
   end
   stream_of(pinfo).client_port = pinfo.src_port
   pinfo.conversation = proto
   dissect(tvb, pinfo, root)
   return true
end)
