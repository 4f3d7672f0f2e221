//  What was committed, in stamp order, for a host that keeps its own systems in step:
//
//      observe ──▶ changes ──▶ … taken over … ──▶ advance ──▶ changes ──▶ …
//
//  At least once: what was not passed by `advance` comes again after a restart. The log keeps what an observer has not passed, up
//  to 256 MiB; one that falls behind further is told to start over, and reads the state anew.

import TidemarkDirectory
import TidemarkStore
import TidemarkWire

/// A change that is on disk.
public struct CommittedChange: Equatable, Sendable {
    public enum Kind: Equatable, Sendable {
        case accountCreated(UserID, name: String)
        case accountDeleted(UserID)
        /// How the user may come in was set: a password, a signing out, or whether the account is closed for now.
        case accessSet(UserID, isDisabled: Bool)
        /// Details of a user, those that others see and those that only it sees; a nil value was removed.
        case profileChanged(UserID, fields: [FieldChange], privateFields: [FieldChange])
        /// A contact was added or its annotations set; pending where it has still to agree.
        case contactSet(owner: UserID, contact: UserID, Annotations, isPending: Bool)
        /// The same of a name that is nobody's, or of somebody who is not to be asked; told apart by its number in the roster.
        case namedContactSet(owner: UserID, name: String, number: UInt32, Annotations)
        case contactRemoved(owner: UserID, contact: UserID)
        /// One that was added by a name.
        case namedContactRemoved(owner: UserID, number: UInt32)
        case blocked(owner: UserID, user: UserID)
        case unblocked(owner: UserID, user: UserID)
        case messageSent(MessageID, sender: UserID, reader: UserID, MessageKind, content: [UInt8])
        /// The reader has all up to that stamp.
        case messagesAcknowledged(reader: UserID, through: Stamp)
        /// When others are told that the user was last seen.
        case lastSeenSet(UserID, LastSeen)
    }

    public var stamp: Stamp
    public var kind: Kind
}

/// Follows what a server commits. One task at a time asks it.
public final class ChangeObserver: AsyncSequence, Sendable {
    public typealias Element = [CommittedChange]

    private let follower: LogFollower

    fileprivate init(_ follower: LogFollower) { self.follower = follower }

    public var name: String { follower.name }

    /// The stamp of the last change that it was given; at first, of the last one that it has passed. A host that knows of a later one
    /// has seen a log that is lost: the server was restored from a backup, and its state is to be read anew.
    public var position: Stamp { follower.position }

    /// All up to there is taken over, and does not come again. Durable when this returns, and a commit of its own: once a second,
    /// or for each thousand changes, is enough.
    ///
    /// - Throws: `ObserverError`; `ChangeLogClosed`; an error of the disk.
    public func advance(to stamp: Stamp) async throws { try await follower.advance(to: stamp) }

    public func makeAsyncIterator() -> Iterator { Iterator(follower: follower) }

    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let follower: LogFollower

        /// Some changes, oldest first, of later stamps than all before; nil once the server stops.
        ///
        /// - Throws: `ObserverError.startOver` for an observer that has fallen behind; `CancellationError`; an error of the disk.
        public mutating func next() async throws -> [CommittedChange]? {
            while true {
                let after = follower.position
                guard let groups = try await follower.next() else { return nil }
                var changes: [CommittedChange] = []
                for group in groups {
                    group.forEach { submission, stamp in
                        guard let stamp, stamp > after, let kind = submission.change?.kind else { return }
                        changes.append(CommittedChange(stamp: stamp, kind: kind))
                    }
                }
                if !changes.isEmpty { return changes }
            }
        }
    }
}

extension Server {
    /// Follows what is committed from where the observer of that name stands: a new one from here on, one that is known from what it
    /// has passed. Whoever needs the state as well registers first and reads it then, so that nothing falls between.
    ///
    /// - Parameter name: the same after a restart. One observer of a name at a time.
    /// - Returns: the observer.
    /// - Throws: `ChangeLogClosed`; an error of the disk.
    public func observe(as name: String) async throws -> ChangeObserver {
        ChangeObserver(try await changeLog.follow(as: name))
    }

    /// Nothing is kept any more for the observer of that name.
    ///
    /// - Throws: `ChangeLogClosed`; an error of the disk.
    public func stopObserving(as name: String) async throws { try await changeLog.stopFollowing(as: name) }
}

extension Change {
    /// Nil for what is of no meaning beyond the server.
    fileprivate var kind: CommittedChange.Kind? {
        switch self {
        case .accountCreated(let user, let name): .accountCreated(user, name: name)
        case .accountDeleted(let user): .accountDeleted(user)
        case .accessSet(let user, let access): .accessSet(user, isDisabled: access.isDisabled)
        case .profileChanged(let user, let fields): .profileChanged(user, fields: fields, privateFields: [])
        case .privateFieldsSet(let user, let fields, let kept):
            .profileChanged(user, fields: fields, privateFields: kept)
        case .entrySet(let owner, let contact, _, let annotations, let consent):
            .contactSet(owner: owner, contact: contact, annotations, isPending: consent.isPending)
        case .namedEntrySet(let owner, let name, let number, let annotations):
            .namedContactSet(owner: owner, name: name, number: number, annotations)
        case .entryRemoved(let owner, let contact, let number):
            if let number, contact == Limits.pendingUser(Int(number)) {
                .namedContactRemoved(owner: owner, number: number)
            } else {
                .contactRemoved(owner: owner, contact: contact)
            }
        case .blockSet(let owner, let user, _, _, _): .blocked(owner: owner, user: user)
        case .blockRemoved(let owner, let user): .unblocked(owner: owner, user: user)
        case .messageSent(let reader, let sender, let id, let kind, .heard(let content), _):
            .messageSent(id, sender: sender, reader: reader, kind, content: content)
        case .messagesAcknowledged(let reader, let through, _) where through > 0:
            .messagesAcknowledged(reader: reader, through: through)
        case .lastSeenSet(let user, let seen): .lastSeenSet(user, seen)
        case .messageSent, .messagesAcknowledged, .tombstonesCollected: nil
        }
    }
}
