/// The names of a message's values, as in SPEC.md and the vectors.
enum FieldName: UInt8, CaseIterable {
    /// One of a list, which has no name of its own.
    case element
    case versionMin, versionMax, frameLog2, deviceClass, device, version, idleSeconds, features, method, ticket,
        user, data, options, pageBytes, token, answer, reason, last, hasStamps, items, kind, number, stamp, name,
        favourite, pending, alias, groups, fields, privateFields, text, bytes, removed, summary, digest, presence,
        state, waitingMessages, payload, unchangedSince, contact, id, wish, code, closes, retryAfterMS, decode,
        rule, offset, detail, reconnectAfterMS, extensions, tag, mark, form, path, from, scope, isBlocked, note,
        left, messages, content, devices, isShown, at, iterations, salt, storedKey, serverKey,
        isDisabled, bodyType, body, after, next, sessions, session, seconds, address, figures, value, isDraining,
        milliseconds, key, holder, role, service

    var text: StaticString {
        switch self {
        case .element: ""
        case .versionMin: "versionMin"
        case .versionMax: "versionMax"
        case .frameLog2: "frameLog2"
        case .deviceClass: "deviceClass"
        case .device: "device"
        case .version: "version"
        case .idleSeconds: "idleSeconds"
        case .features: "features"
        case .method: "method"
        case .ticket: "ticket"
        case .user: "user"
        case .data: "data"
        case .options: "options"
        case .pageBytes: "pageBytes"
        case .token: "token"
        case .answer: "answer"
        case .reason: "reason"
        case .last: "last"
        case .hasStamps: "hasStamps"
        case .items: "items"
        case .kind: "kind"
        case .number: "number"
        case .stamp: "stamp"
        case .name: "name"
        case .favourite: "favourite"
        case .pending: "pending"
        case .alias: "alias"
        case .groups: "groups"
        case .fields: "fields"
        case .privateFields: "privateFields"
        case .text: "text"
        case .bytes: "bytes"
        case .removed: "removed"
        case .summary: "summary"
        case .digest: "digest"
        case .presence: "presence"
        case .state: "state"
        case .waitingMessages: "waitingMessages"
        case .payload: "payload"
        case .unchangedSince: "unchangedSince"
        case .contact: "contact"
        case .id: "id"
        case .wish: "wish"
        case .code: "code"
        case .closes: "closes"
        case .retryAfterMS: "retryAfterMS"
        case .decode: "decode"
        case .rule: "rule"
        case .offset: "offset"
        case .detail: "detail"
        case .reconnectAfterMS: "reconnectAfterMS"
        case .extensions: "extensions"
        case .tag: "tag"
        case .mark: "mark"
        case .form: "form"
        case .path: "path"
        case .from: "from"
        case .scope: "scope"
        case .isBlocked: "isBlocked"
        case .note: "note"
        case .left: "left"
        case .messages: "messages"
        case .content: "content"
        case .devices: "devices"
        case .isShown: "isShown"
        case .at: "at"
        case .iterations: "iterations"
        case .salt: "salt"
        case .storedKey: "storedKey"
        case .serverKey: "serverKey"
        case .isDisabled: "isDisabled"
        case .bodyType: "bodyType"
        case .body: "body"
        case .after: "after"
        case .next: "next"
        case .sessions: "sessions"
        case .session: "session"
        case .seconds: "seconds"
        case .address: "address"
        case .figures: "figures"
        case .value: "value"
        case .isDraining: "isDraining"
        case .milliseconds: "milliseconds"
        case .key: "key"
        case .holder: "holder"
        case .role: "role"
        case .service: "service"
        }
    }

    /// Bytes that hold a message together and are no part of its meaning: a hello's mark, how presence is laid out.
    var isStructure: Bool { self == .mark || self == .form }
}
