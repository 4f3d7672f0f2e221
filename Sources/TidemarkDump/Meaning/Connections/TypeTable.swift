import TidemarkWire

/// What a frame's type byte tells, looked up rather than switched over.
struct TypeInfo: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable {
        case unknown
        /// In the registry with its layout, and not spoken by version 1: its body is not read.
        case laidOut
        case spoken
    }

    var kind: Kind
    /// Requests, and the pong that answers the server's ping.
    var isForServer: Bool
    var isForClient: Bool
    /// Tickets, SCRAM messages, password hashes, or writes that may carry these.
    var bearsSecrets: Bool
    /// Of the name, in `TypeTable.names`.
    var nameStart: UInt16
    var nameBytes: UInt8
}

/// All 256 type bytes.
struct TypeTable: ~Copyable {
    private let infos: UnsafeMutablePointer<TypeInfo>
    private let names: UnsafeMutableBufferPointer<UInt8>

    init() {
        infos = .allocate(capacity: 256)
        var text: [UInt8] = []
        let none = TypeInfo(
            kind: .unknown,
            isForServer: true,
            isForClient: true,
            bearsSecrets: false,
            nameStart: 0,
            nameBytes: 0
        )
        infos.initialize(repeating: none, count: 256)
        for type in MessageType.allCases {
            let name = Array(type.name.utf8)
            let isRequest = type.reply != nil
            infos[Int(type.rawValue)] = TypeInfo(
                kind: type.isImplemented ? .spoken : .laidOut,
                isForServer: isRequest || type == .pong,
                isForClient: !isRequest || type == .ping,
                bearsSecrets: type.bearsSecrets,
                nameStart: UInt16(text.count),
                nameBytes: UInt8(name.count)
            )
            text += name
        }
        names = .allocate(capacity: text.count)
        _ = names.initialize(from: text)
    }

    deinit {
        infos.deallocate()
        names.deallocate()
    }

    @inline(__always)
    subscript(type: UInt8) -> TypeInfo { infos[Int(type)] }

    /// Empty for an unknown type.
    @inline(__always)
    func name(_ type: UInt8) -> UnsafeRawBufferPointer {
        let info = infos[Int(type)]
        return UnsafeRawBufferPointer(
            start: names.baseAddress! + Int(info.nameStart),
            count: Int(info.nameBytes)
        )
    }
}

extension MessageType {
    /// As in the registry.
    var name: String { "\(self)" }

    fileprivate var bearsSecrets: Bool {
        switch self {
        case .authenticate, .authenticateOK, .authenticateContinue, .authenticateChallenge, .passwordSet,
            .passwordSetOK, .signOutOK, .adminPasswordSet, .adminActFor, .adminActForOK:
            true
        default: false
        }
    }
}

extension LineBuffer {
    /// "sync", or "type 0x7e" for one that version 1 does not know.
    @inline(__always)
    mutating func typeName(_ type: UInt8, _ types: borrowing TypeTable) {
        let name = types.name(type)
        if name.count > 0 { return raw(name) }
        text("type 0x")
        hex(UInt64(type), digits: 2)
    }
}
