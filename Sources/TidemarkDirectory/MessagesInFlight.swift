//  Decides what is sent to this shard's users, and what they acknowledge, against their boxes and what is on its way to them.
//  What is being acknowledged counts as waiting until it has landed.

import TidemarkWire

struct MessagesInFlight {
    /// Of one reader.
    private struct Pending {
        var outstanding = 0
        var heard = MessageBox.Sum()
        var unheardCount = 0
        var shares: [UserID: MessageBox.Share] = [:]
        var acknowledged: Stamp = 0
        var gone: Stamp = 0
    }

    private let bounds: MessageBounds
    private var readers: [UserID: Pending] = [:]

    init(bounds: MessageBounds) { self.bounds = bounds }

    var isEmpty: Bool { readers.isEmpty }

    /// A message that is sent to the reader, who may block the sender: then it is not heard.
    mutating func decide(
        _ request: MessageSend,
        from sender: UserID,
        to reader: AccountIndex,
        isHeard: Bool,
        in directory: borrowing Directory
    ) -> Decision {
        let id = directory.id(of: reader)
        var pending = readers[id] ?? Pending()
        let box = directory.boxes[reader.raw] ?? MessageBox()
        let bytes = MessageBox.overheadBytes + request.content.count
        var share = pending.shares[sender] ?? MessageBox.Share()
        let isRefused =
            isHeard
            ? isBeyond(own: box.share(of: sender).waiting + share.waiting, all: box.waiting + pending.heard, bytes)
            : isBeyondUnheard(box, pending, own: box.share(of: sender), share, bytes)
        if isRefused {
            let error = ErrorMessage(.limitExceeded, detail: "too many messages wait for this user; try again later")
            return pending.outstanding > 0 ? .unchangedBehind(.refused(error)) : .refused(error)
        }
        let gone = isHeard ? makeRoom(in: box, pending, for: bytes) : 0
        pending.outstanding += 1
        pending.gone = max(pending.gone, gone)
        if isHeard {
            pending.heard.add(bytes)
            share.waiting.add(bytes)
        } else {
            pending.unheardCount += 1
            share.unheard.add(bytes)
        }
        pending.shares[sender] = share
        readers[id] = pending
        return .change(
            .messageSent(
                reader: id,
                sender: sender,
                id: request.id,
                kind: request.kind,
                isHeard ? .heard(request.content) : .unheard(bytes: request.content.count),
                gone: gone
            ),
            .messageSend
        )
    }

    /// Whether one more would be too much of the sender's, or of all that wait.
    private func isBeyond(own: MessageBox.Sum, all: MessageBox.Sum, _ bytes: Int) -> Bool {
        let part = MessageBounds.senderShare
        return own.count + 1 > max(1, bounds.count / part) || own.bytes + bytes > max(bytes, bounds.bytes / part)
            || all.count + 1 > bounds.count || all.bytes + bytes > bounds.bytes
    }

    /// The same as it is for everybody whose reader is away: with the sender's own in the place where they would be. Of all that is
    /// not heard no more is kept than of what is.
    private func isBeyondUnheard(
        _ box: MessageBox,
        _ pending: Pending,
        own landed: MessageBox.Share,
        _ coming: MessageBox.Share,
        _ bytes: Int
    ) -> Bool {
        let unheard = landed.unheard + coming.unheard
        return isBeyond(
            own: landed.waiting + coming.waiting + unheard,
            all: box.waiting + pending.heard + unheard,
            bytes
        ) || box.unheardCount + pending.unheardCount >= bounds.count
    }

    /// Of the tail, up to which stamp it goes for one more; 0 for nothing.
    private func makeRoom(in box: MessageBox, _ pending: Pending, for bytes: Int) -> Stamp {
        var all = box.heard + pending.heard
        var gone: Stamp = 0
        for item in box.items {
            if all.count < bounds.count && all.bytes + bytes <= bounds.bytes || item.stamp > box.acknowledged { break }
            guard item.isHeard else { continue }
            all.remove(item.bytes)
            gone = item.stamp
        }
        return gone > pending.gone ? gone : 0
    }

    mutating func acknowledge(
        through position: Stamp,
        by reader: AccountIndex,
        in directory: borrowing Directory
    ) -> Decision {
        let id = directory.id(of: reader)
        var pending = readers[id] ?? Pending()
        let box = directory.boxes[reader.raw] ?? MessageBox()
        let before = max(pending.acknowledged, box.acknowledged)
        let through = max(before, position)
        let end = box.firstItem(after: through)
        let known = box.items[box.firstItem(after: box.acknowledged)..<end].count { $0.isHeard }
        let reply = WriteReply.messageAcknowledge(waiting: box.waiting.count - known + pending.heard.count)
        // What was acknowledged up to a stamp at which there is nothing more is no news.
        guard box.items[box.firstItem(after: before)..<end].contains(where: { $0.isHeard }) else {
            return pending.outstanding > 0 ? .unchangedBehind(reply) : .unchanged(reply)
        }
        var left = MessageBounds.tailCount
        var gone: Stamp = 0
        for item in box.items[..<end].reversed() where item.isHeard {
            if left == 0 {
                gone = item.stamp
                break
            }
            left -= 1
        }
        if gone <= pending.gone { gone = 0 }
        pending.outstanding += 1
        pending.acknowledged = through
        pending.gone = max(pending.gone, gone)
        readers[id] = pending
        return .change(.messagesAcknowledged(reader: id, through: through, gone: gone), reply)
    }

    /// To be called for each change of this shard as it is applied.
    mutating func settle(_ change: Change) {
        switch change {
        case .messageSent(let reader, let sender, _, _, let content, _):
            guard var pending = readers[reader], var share = pending.shares[sender] else { return }
            let bytes = MessageBox.overheadBytes + content.byteCount
            if case .heard = content {
                pending.heard.remove(bytes)
                share.waiting.remove(bytes)
            } else {
                pending.unheardCount -= 1
                share.unheard.remove(bytes)
            }
            pending.shares[sender] = share == MessageBox.Share() ? nil : share
            close(&pending, of: reader)
        case .messagesAcknowledged(let reader, let through, _) where through > 0:
            // What goes for its age was not decided here.
            guard var pending = readers[reader] else { return }
            close(&pending, of: reader)
        default:
            break
        }
    }

    private mutating func close(_ pending: inout Pending, of reader: UserID) {
        pending.outstanding -= 1
        readers[reader] = pending.outstanding == 0 ? nil : pending
    }
}
