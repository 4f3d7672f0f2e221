import TidemarkWire

/// What is known of a connection.
struct ConnectionState: BitwiseCopyable {
    enum Phase: UInt8, BitwiseCopyable {
        /// No frame of the client has been seen, or the first one was no hello: the capture began later.
        case unknown
        /// A hello has been seen and nothing that claims to be somebody.
        case greeted
        case authenticating
    }

    enum Admission: UInt8, BitwiseCopyable {
        case undecided
        case admitted
        case refused
    }

    var number: UInt64 = 0
    var client = Endpoint()
    var server = Endpoint()
    var opened = CaptureTime(nanoseconds: 0)
    var phase = Phase.unknown
    /// Whether the filter wants this connection.
    var admission = Admission.undecided
    /// 0 while it is not known.
    var user: UserID = 0
    /// The user has the name that the filter wants, as the server or an own item says.
    var hasWantedName = false
    /// The client says that it has; the server has not answered yet.
    var claimsWantedName = false
    /// The request of a `rosterAdd` with the wanted name, whose answer tells the number; 0 for none.
    var wantedNameRequest: UInt16 = 0
    /// The largest body that the client takes, by its hello.
    var clientBodyBytesMax = Limits.bodyBytesMax
    var pending = PendingRequests()
    /// When the server's ping that the client has not answered was sent; 0 for none.
    var serverPing: Int64 = 0
    var held = HeldFrames()

    /// The largest body that a server takes from the client at this point, as far as the capture tells. What is
    /// pipelined behind an authentication is looked at when that is done, so it counts as the session's.
    @inline(__always)
    func requestBodyBytesMax(_ type: UInt8) -> Int {
        switch phase {
        // An administrator's session begins with the hello; whether this is one, its requests tell.
        case .greeted:
            MessageType(rawValue: type)?.isAdministration == true
                ? Limits.requestBodyBytesMax : Limits.unauthenticatedBodyBytesMax
        case .authenticating: Limits.requestBodyBytesMax
        case .unknown:
            type == MessageType.hello.rawValue ? Limits.unauthenticatedBodyBytesMax : Limits.requestBodyBytesMax
        }
    }
}

/// The connections by slot.
struct ConnectionTable: ~Copyable {
    private var states: UnsafeMutablePointer<ConnectionState>
    private var capacity = 64
    var pendingBudget = MemoryBudget(bytes: PendingRequests.bytesMax)
    var heldBudget = MemoryBudget(bytes: HeldFrames.totalBytesMax)

    init() {
        states = .allocate(capacity: capacity)
        states.initialize(repeating: ConnectionState(), count: capacity)
    }

    deinit {
        // Whatever is given back here is of no use any more.
        var budget = MemoryBudget(bytes: 0)
        for slot in 0..<capacity {
            states[slot].pending.deallocate(&budget)
            states[slot].held.deallocate(&budget)
        }
        states.deallocate()
    }

    /// Valid until the next connection is opened.
    @inline(__always)
    mutating func state(_ connection: ConnectionName) -> UnsafeMutablePointer<ConnectionState> {
        let slot = Int(connection.slot)
        if slot >= capacity || states[slot].number != connection.number { begin(connection) }
        return states + slot
    }

    @inline(never)
    private mutating func begin(_ connection: ConnectionName) {
        let slot = Int(connection.slot)
        if slot >= capacity {
            let larger = max(capacity * 2, slot + 1)
            let moved = UnsafeMutablePointer<ConnectionState>.allocate(capacity: larger)
            moved.moveInitialize(from: states, count: capacity)
            (moved + capacity).initialize(repeating: ConnectionState(), count: larger - capacity)
            states.deallocate()
            states = moved
            capacity = larger
        }
        end(connection)
        states[slot].number = connection.number
    }

    /// Forgets what is known of it.
    mutating func end(_ connection: ConnectionName) {
        let slot = Int(connection.slot)
        guard slot < capacity else { return }
        states[slot].pending.deallocate(&pendingBudget)
        states[slot].held.deallocate(&heldBudget)
        states[slot] = ConnectionState()
    }
}

extension ConnectionState {
    /// Notes a frame among the requests and answers. Returns how long its answer took and what it answers.
    @inline(__always)
    mutating func follow(
        _ header: FrameHeader,
        _ direction: Direction,
        at time: CaptureTime,
        _ budget: inout MemoryBudget
    ) -> (nanoseconds: Int64, request: UInt8)? {
        switch direction {
        case .toServer:
            if header.type == MessageType.pong.rawValue {
                guard serverPing != 0, header.request == 0 else { return nil }
                defer { serverPing = 0 }
                return (max(0, time.nanoseconds.since(serverPing)), MessageType.ping.rawValue)
            }
            // Requests are what a reply's top bit is added to.
            guard header.type < 0x40, header.type != 0, header.request != 0 else { return nil }
            pending.add(.init(nanoseconds: time.nanoseconds, id: header.request, type: header.type), &budget)
            return nil
        case .toClient:
            if header.request == 0 {
                if header.type == MessageType.ping.rawValue { serverPing = time.nanoseconds }
                return nil
            }
            guard header.type >= 0x80, let request = pending.take(header.request) else { return nil }
            // A source without a clock, or an answer of another request than the one that was seen.
            guard request.nanoseconds != 0, header.type == request.type | 0x80 || header.type == 0xFF else {
                return nil
            }
            return (max(0, time.nanoseconds.since(request.nanoseconds)), request.type)
        }
    }

    /// Notes what a message tells of the connection.
    @inline(__always)
    mutating func learn(_ facts: borrowing Facts, _ header: FrameHeader, _ direction: Direction) {
        if direction == .toServer {
            switch header.type {
            case MessageType.hello.rawValue:
                phase = .greeted
                if let log2 = facts[.frameLog2] { clientBodyBytesMax = (1 << Int(log2)) - 1 }
            case MessageType.authenticate.rawValue:
                phase = .authenticating
                if let ticket = facts.bytes(.ticket), let ticket = TicketView(ticket) { user = ticket.user }
                if let id = facts[.id] { user = id }
                claimsWantedName = facts.refersToWantedName
            case MessageType.rosterAdd.rawValue:
                if facts.refersToWantedName {
                    wantedNameRequest = header.request
                } else if wantedNameRequest == header.request {
                    // The id is used again: the answer to come is another's.
                    wantedNameRequest = 0
                }
            default: break
            }
        } else if header.type == MessageType.authenticateOK.rawValue, let user = facts[.user] {
            self.user = user
            if claimsWantedName { hasWantedName = true }
        }
        if facts.isOfWantedName, direction == .toClient { hasWantedName = true }
    }

    /// The number of the wanted name's user, where a message tells it; 0 otherwise. To be asked after `learn`.
    mutating func userOfWantedName(_ facts: borrowing Facts, _ header: FrameHeader, _ direction: Direction) -> UserID {
        if hasWantedName, user != 0 { return user }
        guard direction == .toClient else { return 0 }
        if header.request != 0, header.request == wantedNameRequest {
            wantedNameRequest = 0
            if header.type == MessageType.rosterAddOK.rawValue, let contact = facts[.contact] { return contact }
        }
        return facts.userOfWantedName
    }
}
