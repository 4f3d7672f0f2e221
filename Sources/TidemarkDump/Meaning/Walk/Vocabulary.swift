// The registry's names for numbers. Literals rather than descriptions of the enumerations: a line is written without
// making a String. A test holds them to what TidemarkWire says.

/// A list of the registry of which a value is one.
enum Vocabulary: CaseIterable {
    case deviceClass, method, answer, reason, kind, state, wish, errorCode, rule, goAwayReason, presenceForm,
        presenceScope, rosterAnswer, signOutScope, role

    /// Nil for a number without a name, where the list has no entry for those.
    func text(_ number: UInt8) -> StaticString? {
        switch self {
        case .deviceClass: Self.deviceClass(number)
        case .method: Self.method(number)
        case .answer: Self.answer(number)
        case .reason: Self.reason(number)
        case .kind: Self.kind(number)
        case .state: Self.state(number)
        case .wish: Self.wish(number)
        case .errorCode: Self.errorCode(number)
        case .rule: Self.rule(number)
        case .goAwayReason: Self.goAwayReason(number)
        case .presenceForm: Self.presenceForm(number)
        case .presenceScope: Self.presenceScope(number)
        case .rosterAnswer: Self.rosterAnswer(number)
        case .signOutScope: Self.signOutScope(number)
        case .role: Self.role(number)
        }
    }

    private static func role(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "backend"
        case 2: "administrator"
        default: nil
        }
    }

    private static func signOutScope(_ number: UInt8) -> StaticString? {
        switch number {
        case 2: "others"
        case 3: "all"
        default: nil
        }
    }

    private static func rosterAnswer(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "approve"
        case 2: "refuse"
        default: nil
        }
    }

    private static func presenceForm(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "nobody"
        case 1: "list"
        case 2: "bitmap"
        case 3: "listWithDevices"
        case 4: "bitmapWithDevices"
        default: nil
        }
    }

    private static func presenceScope(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "changes"
        case 1: "everything"
        default: nil
        }
    }

    private static func deviceClass(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "unspecified"
        case 1: "computer"
        case 2: "tablet"
        case 3: "phone"
        case 4: "service"
        default: "unspecified"
        }
    }

    private static func method(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "ticket"
        case 2: "trusted"
        case 3: "scram"
        case 4: "service"
        case 5: "bearer"
        default: nil
        }
    }

    private static func answer(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "upToDate"
        case 1: "delta"
        case 2: "full"
        default: nil
        }
    }

    private static func reason(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "none"
        case 1: "noToken"
        case 2: "tokenUnreadable"
        case 3: "epochUnknown"
        case 4: "beyondEnd"
        case 5: "horizon"
        case 6: "diverged"
        case 7: "restarted"
        default: "unknown"
        }
    }

    private static func kind(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "contact"
        case 1: "patch"
        case 2: "removed"
        case 3: "own"
        case 4: "block"
        case 5: "request"
        case 6: "forgotten"
        default: nil
        }
    }

    private static func state(_ number: UInt8) -> StaticString? {
        switch number {
        case 0: "offline"
        case 1: "online"
        case 2: "away"
        case 3: "busy"
        default: nil
        }
    }

    private static func wish(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "online"
        case 2: "away"
        case 3: "busy"
        case 4: "invisible"
        default: nil
        }
    }

    private static func errorCode(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "badFrame"
        case 2: "frameTooLarge"
        case 3: "unknownType"
        case 4: "unsupportedVersion"
        case 5: "notAuthenticated"
        case 6: "credentialsInvalid"
        case 7: "ticketExpired"
        case 8: "methodNotAllowed"
        case 9: "unexpectedMessage"
        case 10: "notSupported"
        case 16: "noSuchUser"
        case 17: "noSuchContact"
        case 18: "invalidValue"
        case 19: "limitExceeded"
        case 20: "changedSince"
        case 21: "notAllowed"
        case 22: "accountDisabled"
        case 32: "retryLater"
        case 33: "tooSlow"
        case 34: "shuttingDown"
        case 35: "replaced"
        case 36: "internalError"
        default: nil
        }
    }

    private static func rule(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "truncated"
        case 2: "varint"
        case 3: "tooLong"
        case 4: "text"
        case 5: "value"
        case 6: "reserved"
        case 7: "extensions"
        case 8: "order"
        case 9: "mark"
        default: "unknown"
        }
    }

    private static func goAwayReason(_ number: UInt8) -> StaticString? {
        switch number {
        case 1: "shuttingDown"
        case 2: "replaced"
        case 3: "signedOut"
        case 4: "overload"
        default: "unknown"
        }
    }
}

/// A list of bits of the registry.
enum BitVocabulary: CaseIterable {
    case syncOptions, fetchOptions, features, frameFlags, presenceDevices

    /// Nil for a bit without a name.
    func text(bit: Int) -> StaticString? {
        switch (self, bit) {
        case (.syncOptions, 0): "stamps"
        case (.syncOptions, 1): "subscribe"
        case (.syncOptions, 2): "diverged"
        case (.syncOptions, 3): "explain"
        case (.syncOptions, 4): "asides"
        case (.syncOptions, 5): "devices"
        case (.presenceDevices, 0): "computer"
        case (.presenceDevices, 1): "tablet"
        case (.presenceDevices, 2): "phone"
        case (.fetchOptions, 0): "subscribe"
        case (.features, 0): "push"
        case (.features, 1): "consent"
        case (.features, 2): "messages"
        case (.features, 3): "scram"
        case (.features, 6): "service"
        case (.features, 7): "bearer"
        case (.features, 4): "trusted"
        case (.features, 5): "lastSeen"
        case (.frameFlags, 0): "ignorable"
        default: nil
        }
    }
}
