// The messages that wait for this shard's users, and how they are told.

import TidemarkWire

/// What answering a fetch took, and where it ends.
public struct MessageOutcome: Equatable, Sendable {
    public var count = 0
    /// Messages behind the page.
    public var left = 0
    /// The stamp up to which the client has all.
    public var position: Stamp
    public var isLast: Bool { left == 0 }
}

extension Directory {
    /// One message as the store keeps it.
    public struct StoredMessage: Equatable, Sendable {
        public var stamp: Stamp
        public var sender: UserID
        public var id: MessageID
        public var kind: MessageKind
        public var content: [UInt8]
        /// Of one whose sender is blocked: how long its content was.
        public var unheardBytes: Int?

        public init(
            stamp: Stamp,
            sender: UserID,
            id: MessageID,
            kind: MessageKind,
            content: [UInt8],
            unheardBytes: Int? = nil
        ) {
            self.stamp = stamp
            self.sender = sender
            self.id = id
            self.kind = kind
            self.content = content
            self.unheardBytes = unheardBytes
        }
    }

    /// After the accounts: what is kept for one of this shard's users, by stamp.
    ///
    /// - Returns: false, with nothing loaded, where it is no account's.
    @discardableResult
    public mutating func load(messagesOf user: UserID, acknowledged: Stamp, _ messages: [StoredMessage]) -> Bool {
        guard let owner = find(user) else { return false }
        precondition(accounts[Int(owner)].isOwn)
        var box = MessageBox()
        box.acknowledge(through: acknowledged, gone: 0)
        for message in messages {
            box.append(
                MessageBox.Item(
                    stamp: message.stamp,
                    sender: message.sender,
                    id: message.id,
                    kind: message.kind,
                    content: message.content,
                    unheardBytes: message.unheardBytes
                )
            )
        }
        put(box, of: owner)
        return true
    }

    // MARK: changing

    mutating func addMessage(_ item: MessageBox.Item, to owner: UInt32, gone: Stamp) {
        var box = boxes.removeValue(forKey: owner) ?? MessageBox()
        if gone > 0 { box.acknowledge(through: 0, gone: gone) }
        box.append(item)
        put(box, of: owner)
        if item.isHeard { watches.note(owner) }
    }

    mutating func acknowledgeMessages(of owner: UInt32, through: Stamp, gone: Stamp) {
        guard var box = boxes.removeValue(forKey: owner) else { return }
        box.acknowledge(through: through, gone: gone)
        put(box, of: owner)
    }

    /// An empty box is none: what was acknowledged counts for what is there, and all that comes is later.
    private mutating func put(_ box: MessageBox, of owner: UInt32) {
        let wasWaiting = isWaiting(owner)
        if wasWaiting != (box.waiting.count > 0) { waitingBits[Int(owner / 64)] ^= 1 << UInt64(owner % 64) }
        boxes[owner] = box.isEmpty ? nil : box
    }

    mutating func forgetMessages(of owner: UInt32) {
        if boxes.isEmpty { return }
        if isWaiting(owner) { waitingBits[Int(owner / 64)] ^= 1 << UInt64(owner % 64) }
        boxes[owner] = nil
    }

    @inline(__always)
    private func isWaiting(_ owner: UInt32) -> Bool { waitingBits[Int(owner / 64)] >> UInt64(owner % 64) & 1 == 1 }

    // MARK: telling

    /// Messages for the user that nobody has acknowledged.
    @inline(__always)
    public func waitingMessages(of owner: AccountIndex) -> Int {
        isWaiting(owner.raw) ? boxes[owner.raw]!.waiting.count : 0
    }

    /// This shard's users for whom something waits.
    public var usersWithMessages: [(id: UserID, name: String)] {
        (0..<accounts.count).filter { isWaiting(UInt32($0)) }.map { (accounts[$0].id, accounts[$0].profile.name) }
    }

    /// Up to where a client has the user's messages, as its token says; nil for one that this server never gave.
    public func messagePosition(of token: Sync.TokenBytes) -> Stamp? {
        if token.isEmpty { return 0 }
        guard let token = token.withBytes({ MessageToken($0) }) else { return nil }
        let end = token.epoch == epochs.current ? published : epochs.ends[token.epoch]
        guard let end, token.position <= end else { return nil }
        return token.position
    }

    /// Writes the body of a `messagePage`: what is later than `position`. Ends the page at the first message that passes
    /// `pageBytesMax` of body, but holds at least one.
    public func writeMessages(
        of owner: AccountIndex,
        after position: Stamp,
        pageBytesMax: Int,
        into writer: inout ByteWriter
    ) -> MessageOutcome {
        var outcome = MessageOutcome(position: position)
        let box = boxes.isEmpty ? nil : boxes[owner.raw]
        let items = box?.items ?? []
        let first = box?.firstItem(after: position) ?? 0
        let start = writer.count
        writer.skip(Self.messagePrefixBytes)
        let itemsStart = writer.count
        for item in items[first...] where item.isHeard {
            let mark = writer.count
            if outcome.left == 0 {
                writer.message(item, after: outcome.count == 0 ? 0 : outcome.position)
                if writer.count - start <= pageBytesMax || outcome.count == 0 {
                    outcome.count += 1
                    outcome.position = item.stamp
                    continue
                }
                writer.truncate(to: mark)
            }
            outcome.left += 1
        }
        let (waiting, told) = (box?.waiting.count ?? 0, outcome)
        writer.insert(at: start, reserved: itemsStart - start) { prefix in
            prefix.token(MessageToken(at: told.position, epoch: epochs.current))
            prefix.varint(waiting)
            prefix.varint(told.left)
            prefix.varint(told.count)
        }
        return outcome
    }

    /// Writes the body of a `pushMessages`; nil, and nothing, where nothing is later than `position`.
    public func writeMessagePush(
        of owner: AccountIndex,
        after position: Stamp,
        pageBytesMax: Int,
        into writer: inout ByteWriter
    ) -> MessageOutcome? {
        guard !boxes.isEmpty, let box = boxes[owner.raw], box.newest > position else { return nil }
        writer.token(MessageToken(at: position, epoch: epochs.current))
        return writeMessages(of: owner, after: position, pageBytesMax: pageBytesMax, into: &writer)
    }

    /// Before the items: a token, and three counts that are mostly short.
    private static let messagePrefixBytes = 1 + 16 + 3

    /// The change that lets go of a user's messages up to `through`; nil where there are none so old.
    func messagesToDrop(of owner: Int, through stamp: Stamp) -> Change? {
        guard !boxes.isEmpty, let box = boxes[UInt32(owner)], let oldest = box.items.first?.stamp, oldest <= stamp
        else {
            return nil
        }
        let gone = box.items[box.firstItem(after: stamp) - 1].stamp
        return .messagesAcknowledged(reader: accounts[owner].id, through: 0, gone: gone)
    }
}

extension ByteWriter {
    mutating func message(_ item: MessageBox.Item, after previous: Stamp) {
        varint(item.stamp - previous)
        varint(item.sender)
        item.id.encode(into: &self)
        varint(UInt64(item.kind.rawValue))
        block(item.content)
    }
}
