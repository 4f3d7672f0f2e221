import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

/// Decisions taken while earlier ones are on their way to the disk are those taken after they have landed.
@Suite("Writes in flight") struct InFlightTests {
    static func directory(users: UserID) -> Directory {
        var directory = Directory(epochs: EpochHistory(current: 1))
        for user in 1...users { directory.apply(.accountCreated(user: user, name: "user\(user)"), at: user) }
        return directory
    }

    static func randomWrite(_ random: inout Seed, users: Int) -> Write {
        let contact = UserID(random.below(users) + 1)
        let annotations = Annotations(alias: random.chance(50) ? "a" : "", isFavourite: random.chance(50))
        switch random.below(5) {
        case 0, 1:
            let fields = (1...3).filter { _ in random.chance(60) }.map { number in
                let value: [UInt8]? = random.chance(30) ? nil : [UInt8(random.below(3))]
                return FieldChange(FieldNumber(rawValue: UInt16(number)), value)
            }
            return .profileSet(
                ProfileSet(
                    fields: fields.isEmpty ? [FieldChange(.fullName, nil)] : fields,
                    privateFields: fields.map(\.number).filter { _ in random.chance(20) }
                )
            )
        case 2: return .rosterAdd(RosterAdd(contact: .id(contact), annotations: annotations))
        case 3: return .rosterRemove(RosterRemove(contact: contact))
        default: return .rosterAnnotate(RosterAnnotate(contact: contact, annotations: annotations))
        }
    }

    /// Whether two decisions come to the same; one of them may rest on changes in flight.
    static func agree(_ atOnce: Decision, _ inFlight: Decision) -> Bool {
        switch (atOnce, inFlight) {
        case (.unchanged(let a), .unchangedBehind(let b)): a == b
        case (.refused(let a), .unchangedBehind(.refused(let b))): a == b
        default: atOnce == inFlight
        }
    }

    private static func randomConsent(_ random: inout Seed, users: Int) -> Write {
        let user = UserID(random.below(users) + 1)
        let pending = Limits.pendingUser(random.below(8) + 1)
        let annotations = Annotations(alias: random.chance(50) ? "a" : "")
        switch random.below(8) {
        case 0: return .rosterAdd(RosterAdd(contact: .name("user\(user)"), annotations: annotations))
        case 1: return .rosterAdd(RosterAdd(contact: .name("nobody\(user)"), annotations: annotations))
        case 2: return .rosterAdd(RosterAdd(contact: .id(pending), annotations: annotations))
        case 3: return .rosterRemove(RosterRemove(contact: random.chance(70) ? pending : user))
        case 4: return .rosterAnnotate(RosterAnnotate(contact: pending, annotations: annotations))
        case 5, 6:
            return .rosterAnswer(RosterAnswer(user: user, answer: random.chance(70) ? .approve : .refuse))
        default: return .blockSet(BlockSet(user: user, isBlocked: random.chance(50), note: "n"))
        }
    }

    private static func decide(
        _ write: Write,
        by user: UserID,
        _ inFlight: inout InFlight,
        _ directory: borrowing Directory
    ) -> Decision {
        let index = directory.index(of: user)!
        if case .rosterAnswer(let answer) = write { return inFlight.decide(answer, from: index, in: directory) }
        return inFlight.decide(write, by: index, in: directory)
    }

    /// Of one user at a time: what others have in flight is not known where it is another shard's.
    @Test(
        "consent is decided as if all before of the user had landed",
        arguments: [RosterPolicy.approval, .open],
        1...4
    )
    func consent(policy: RosterPolicy, seed: Int) {
        var random = Seed(default: UInt64(seed))
        let users = 5
        var atOnce = Self.directory(users: UserID(users))
        var behind = Self.directory(users: UserID(users))
        var decider = InFlight(policy: policy)
        var pending = InFlight(policy: policy)
        var waiting: [(Change, Stamp)] = []
        var stamp: Stamp = 1_000
        var outcomes: Set<String> = []
        func land() {
            for (change, stamp) in waiting {
                pending.settle(change)
                behind.apply(change, at: stamp)
            }
            waiting = []
        }
        var user: UserID = 1
        for _ in 0..<5_000 {
            if random.chance(20) {
                land()
                user = UserID(random.below(users) + 1)
            }
            let write =
                random.chance(60)
                ? Self.randomConsent(&random, users: users) : Self.randomWrite(&random, users: users)
            if case .rosterAnswer = write { land() }
            let now = Self.decide(write, by: user, &decider, atOnce)
            var later = Self.decide(write, by: user, &pending, behind)
            if later == .later {
                outcomes.insert("later")
                land()
                later = Self.decide(write, by: user, &pending, behind)
            }
            let isSame = Self.agree(now, later)
            #expect(isSame, "\(write) by \(user): \(now) / \(later); TIDEMARK_SEED=\(random.value)")
            outcomes.insert("\(now)".prefix { $0 != ":" && $0 != "," }.description)
            guard case .change(let change, _) = now else { continue }
            let isAccepted = atOnce.accepts(change)
            #expect(isAccepted, "\(change)")
            stamp += 1
            decider.settle(change)
            atOnce.apply(change, at: stamp)
            atOnce.checkInvariants()
            waiting.append((change, stamp))
            if case .rosterAnswer = write { land() }
        }
        land()
        let areEmpty = pending.isEmpty && decider.isEmpty
        #expect(areEmpty)
        #expect(outcomes.contains("later"))
    }

    private struct NotNamed: Error {}

    @Test("a name that was asked for and removed is nobody's number, although something is in flight all the time")
    func forgottenNames() throws {
        var directory = Self.directory(users: 4)
        var inFlight = InFlight(policy: .approval)
        var stamp = directory.published
        func decide(_ write: Write) -> Change? {
            guard case .change(let change, _) = inFlight.decide(write, by: directory.index(of: 1)!, in: directory)
            else {
                return nil
            }
            return change
        }
        func land(_ change: Change?) throws {
            let change = try #require(change)
            stamp += 1
            inFlight.settle(change)
            directory.apply(change, at: stamp)
        }
        func add(_ name: String, _ alias: String = "") -> Change? {
            decide(.rosterAdd(RosterAdd(contact: .name(name), annotations: Annotations(alias: alias))))
        }
        let kept = add("nobody")
        let asked = add("zz")
        try land(asked)
        guard case .namedEntrySet(_, _, let number, _)? = asked else { throw NotNamed() }
        try land(decide(.rosterRemove(RosterRemove(contact: Limits.pendingUser(Int(number))))))
        try land(.tombstonesCollected(owner: 1, through: stamp))
        let bob = add("user3")
        #expect(bob == .entrySet(owner: 1, contact: 3, number: number, annotations: Annotations(), consent: .asked))
        try land(bob)
        // The number is another's now.
        guard case .namedEntrySet(_, "zz", let other, _)? = add("zz", "again") else { throw NotNamed() }
        #expect(other != number)
        try land(kept)
    }

    @Test("what waits under a name stays what it is when its account stops blocking, or is made")
    func waitingNames() throws {
        var directory = Self.directory(users: 3)
        var inFlight = InFlight(policy: .approval)
        var stamp = directory.published
        func land(_ change: Change) {
            stamp += 1
            inFlight.settle(change)
            directory.apply(change, at: stamp)
        }
        func add(_ name: String) -> Decision {
            inFlight.decide(.rosterAdd(RosterAdd(contact: .name(name))), by: directory.index(of: 1)!, in: directory)
        }
        land(.blockSet(owner: 3, user: 1, note: "", profile: []))
        var replies: [WriteReply] = []
        for name in ["user3", "later"] {
            guard case .change(let change, let reply) = add(name) else { throw NotNamed() }
            replies.append(reply)
            land(change)
        }
        land(.blockRemoved(owner: 3, user: 1))
        land(.accountCreated(user: 9, name: "later"))
        #expect(add("user3") == .unchanged(replies[0]))
        #expect(add("later") == .unchanged(replies[1]))
    }

    @Test("an account that goes withdraws what it has asked, and what it is about to ask")
    func deletion() {
        var directory = Self.directory(users: 4)
        var inFlight = InFlight(policy: .approval)
        func add(_ name: String) -> Change? {
            let write = Write.rosterAdd(RosterAdd(contact: .name(name)))
            guard case .change(let change, _) = inFlight.decide(write, by: directory.index(of: 1)!, in: directory)
            else { return nil }
            return change
        }
        let changes = [add("user2"), add("user3"), add("nobody")].compactMap { $0 }
        directory.apply(changes[0], at: 10)
        inFlight.settle(changes[0])
        let withdrawn = inFlight.withdrawals(of: 1, in: directory)
        #expect(
            withdrawn == [
                .entryRemoved(owner: 1, contact: 2, pendingNumber: 1),
                .entryRemoved(owner: 1, contact: 3, pendingNumber: 2),
            ]
        )
        #expect(add("user4") == nil, "it does nothing any more")
        inFlight.close(1)
        let gone = (withdrawn ?? []) + [inFlight.deletion(of: 1)]
        for (stamp, change) in zip(Stamp(11)..., changes.dropFirst() + gone) {
            inFlight.settle(change)
            directory.apply(change, at: stamp)
            directory.checkInvariants()
        }
        let isEmpty = inFlight.isEmpty
        #expect(isEmpty)
        for user in UserID(2)...3 {
            let aside = directory.aside(of: directory.index(of: user)!, 1)
            #expect(aside == .gone)
        }
    }

    @Test("decide as if all before had landed", arguments: 1...6) func sameOutcomes(seed: Int) {
        var random = Seed(default: UInt64(seed))
        let users = 5
        var atOnce = Self.directory(users: UserID(users))
        var behind = Self.directory(users: UserID(users))
        var decider = InFlight()
        var pending = InFlight()
        var waiting: [(Change, Stamp)] = []
        var stamp: Stamp = 1_000
        for _ in 0..<5_000 {
            let user = UserID(random.below(users) + 1)
            let write = Self.randomWrite(&random, users: users)
            let now = decider.decide(write, by: atOnce.index(of: user)!, in: atOnce)
            let later = pending.decide(write, by: behind.index(of: user)!, in: behind)
            let isSame = Self.agree(now, later)
            #expect(isSame, "\(write) by \(user): \(now) / \(later); TIDEMARK_SEED=\(random.value)")
            if case .change(let change, _) = now {
                stamp += 1
                decider.settle(change)
                atOnce.apply(change, at: stamp)
                waiting.append((change, stamp))
            }
            while !waiting.isEmpty, random.chance(20) {
                let (change, stamp) = waiting.removeFirst()
                pending.settle(change)
                let isAccepted = behind.accepts(change)
                #expect(isAccepted)
                behind.apply(change, at: stamp)
            }
        }
        for (change, stamp) in waiting {
            pending.settle(change)
            behind.apply(change, at: stamp)
        }
        let isEmpty = pending.isEmpty
        #expect(isEmpty)
        behind.checkInvariants()
    }

    @Test("a write that changes nothing waits for the change it rests on") func unchangedBehind() {
        let directory = Self.directory(users: 2)
        var pending = InFlight()
        let user = directory.index(of: 1)!
        let write = Write.profileSet(ProfileSet(fields: [FieldChange(.fullName, text: "Ada")]))
        guard case .change(let change, _) = pending.decide(write, by: user, in: directory) else {
            Issue.record("a change")
            return
        }
        let second = pending.decide(write, by: user, in: directory)
        #expect(second == .unchangedBehind(.profileSet))
        let removal = Write.profileSet(ProfileSet(fields: [FieldChange(.email, nil)]))
        let elsewhere = pending.decide(removal, by: user, in: directory)
        #expect(elsewhere == .unchanged(.profileSet), "a field that nothing in flight touches")
        pending.settle(change)
    }

    @Test("only if unchanged since") func conditions() {
        var directory = Self.directory(users: 2)
        var pending = InFlight()
        let user = directory.index(of: 1)!
        func code(_ decision: Decision) -> UInt8? {
            switch decision {
            case .refused(let error), .unchangedBehind(.refused(let error)): error.code
            default: nil
            }
        }
        directory.apply(.profileChanged(user: 1, fields: [FieldChange(.fullName, text: "Ada")]), at: 50)
        func set(_ text: String, since stamp: Stamp) -> Write {
            .profileSet(ProfileSet(fields: [FieldChange(.fullName, text: text)], unchangedSince: stamp))
        }
        var decision = pending.decide(set("B", since: 49), by: user, in: directory)
        #expect(code(decision) == ErrorCode.changedSince.rawValue)
        decision = pending.decide(set("B", since: 50), by: user, in: directory)
        #expect(code(decision) == nil)
        decision = pending.decide(set("C", since: 50), by: user, in: directory)
        #expect(code(decision) == ErrorCode.changedSince.rawValue, "what is in flight is a change too")
        let isBehind = if case .unchangedBehind = decision { true } else { false }
        #expect(isBehind, "and a crash could undo it")
    }

    @Test("a field that only the user sees is told to others as removed, if they ever saw it") func privateFields() {
        var directory = Self.directory(users: 1)
        var pending = InFlight()
        let user = directory.index(of: 1)!
        var stamp: Stamp = 10
        func set(_ fields: [FieldChange], privately: [FieldNumber] = []) -> Decision {
            pending.decide(.profileSet(ProfileSet(fields: fields, privateFields: privately)), by: user, in: directory)
        }
        func land(_ change: Change) {
            stamp += 1
            let isAccepted = directory.accepts(change)
            #expect(isAccepted)
            directory.apply(change, at: stamp)
            pending.settle(change)
            directory.checkInvariants()
        }
        let (name, phone) = (FieldChange(.fullName, text: "Ada"), FieldChange(.telephone, text: "+44"))
        // Never seen by anybody: nothing to tell.
        let first = Change.privateFieldsSet(user: 1, fields: [name], kept: [phone])
        #expect(set([name, phone], privately: [.telephone]) == .change(first, .profileSet))
        #expect(set([name, phone], privately: [.telephone]) == .unchangedBehind(.profileSet))
        land(first)
        #expect(set([name, phone], privately: [.telephone]) == .unchanged(.profileSet))
        // Hidden after it was seen.
        let hidden = Change.privateFieldsSet(user: 1, fields: [FieldChange(.fullName, nil)], kept: [name, phone])
        #expect(set([name], privately: [.fullName]) == .change(hidden, .profileSet))
        land(hidden)
        // Another value, which moves nobody.
        let other = FieldChange(.fullName, text: "Augusta")
        let moved = Change.privateFieldsSet(user: 1, fields: [], kept: [other, phone])
        #expect(set([other], privately: [.fullName]) == .change(moved, .profileSet))
        land(moved)
        // Shown again, and removed.
        let shown = Change.privateFieldsSet(user: 1, fields: [other], kept: [phone])
        #expect(set([other]) == .change(shown, .profileSet))
        land(shown)
        let removed = Change.privateFieldsSet(user: 1, fields: [], kept: [])
        #expect(set([FieldChange(.telephone, nil)]) == .change(removed, .profileSet))
        land(removed)
        #expect(set([FieldChange(.telephone, nil)]) == .unchanged(.profileSet))
        let isEmpty = pending.isEmpty
        #expect(isEmpty)
    }

    @Test("what only the user sees counts for the limits of its profile") func privateLimits() {
        let directory = Self.directory(users: 1)
        var pending = InFlight()
        let user = directory.index(of: 1)!
        let large = [UInt8](repeating: 0x41, count: Limits.fieldBytesMax)
        func set(_ number: UInt16) -> Decision {
            let number = FieldNumber(rawValue: number)
            let fields = [FieldChange(number, large)]
            return pending.decide(
                .profileSet(ProfileSet(fields: fields, privateFields: [number])),
                by: user,
                in: directory
            )
        }
        for number in UInt16(1)...4 {
            guard case .change = set(number) else {
                Issue.record("\(number)")
                return
            }
        }
        guard case .refused(let error) = set(5) else {
            Issue.record("too much")
            return
        }
        #expect(error.code == ErrorCode.limitExceeded.rawValue)
    }

    @Test("limits are refused, with the limit") func limits() {
        let directory = Self.directory(users: 2)
        var pending = InFlight()
        let user = directory.index(of: 1)!
        func refusal(_ fields: [FieldChange]) -> ErrorMessage? {
            let decision = pending.decide(.profileSet(ProfileSet(fields: fields)), by: user, in: directory)
            return if case .refused(let error) = decision { error } else { nil }
        }
        let large = [UInt8](repeating: 0x41, count: Limits.fieldBytesMax)
        let many = (1...UInt16(Limits.profileFieldsMax)).map { FieldChange(FieldNumber(rawValue: $0 + 200), [1]) }
        #expect(refusal((1...4).map { FieldChange(FieldNumber(rawValue: $0), large) }) == nil)
        #expect(refusal([FieldChange(FieldNumber(rawValue: 5), [1])])?.code == ErrorCode.limitExceeded.rawValue)
        #expect(refusal(many)?.code == ErrorCode.limitExceeded.rawValue)
    }
}

@Suite("Texts are bytes") struct TextTests {
    // One letter, written as one code point and as two.
    static let composed = "caf\u{E9}"
    static let decomposed = "cafe\u{301}"

    @Test("numbers given while others are in flight are nobody else's, vacant ones and new ones") func numbers() {
        let users: UserID = 402
        var directory = InFlightTests.directory(users: users)
        var stamp: Stamp = 10_000
        func next() -> Stamp {
            stamp += 1
            return stamp
        }
        for number in 1...300 {
            let contact = UserID(number + 1)
            directory.apply(
                .entrySet(owner: 1, contact: contact, number: UInt32(number), annotations: Annotations()),
                at: next()
            )
        }
        for contact in 2...301 { directory.apply(.entryRemoved(owner: 1, contact: UserID(contact)), at: next()) }
        directory.apply(.tombstonesCollected(owner: 1, through: stamp), at: next())
        var inFlight = InFlight()
        var changes: [Change] = []
        var numbers: Set<UInt32> = []
        for contact in 2...users {
            let write = Write.rosterAdd(RosterAdd(contact: .id(contact), annotations: Annotations()))
            let decision = inFlight.decide(write, by: directory.index(of: 1)!, in: directory)
            guard case .change(let change, .rosterAdd(_, let number)) = decision else {
                Issue.record("\(contact) was to be added")
                return
            }
            #expect(numbers.insert(number).inserted, "\(number) is given twice")
            changes.append(change)
        }
        for change in changes {
            let isAccepted = directory.accepts(change)
            #expect(isAccepted)
            inFlight.settle(change)
            directory.apply(change, at: next())
        }
        let isSettled = inFlight.isEmpty
        #expect(isSettled)
        directory.checkInvariants()
    }

    @Test("names that Unicode holds to be equivalent are two accounts") func names() {
        var directory = InFlightTests.directory(users: 1)
        directory.apply(.accountCreated(user: 2, name: Self.composed), at: 10)
        let isAccepted = directory.accepts(.accountCreated(user: 3, name: Self.decomposed))
        #expect(isAccepted)
        directory.apply(.accountCreated(user: 3, name: Self.decomposed), at: 11)
        let ids = [Self.composed, Self.decomposed].map { directory.id(of: directory.index(named: $0)!) }
        #expect(ids == [2, 3])
    }

    @Test("an alias written otherwise is a change") func aliases() {
        var directory = InFlightTests.directory(users: 2)
        var pending = InFlight()
        let first = Annotations(alias: Self.composed)
        directory.apply(.entrySet(owner: 1, contact: 2, number: 1, annotations: first), at: 10)
        let write = Write.rosterAnnotate(RosterAnnotate(contact: 2, annotations: Annotations(alias: Self.decomposed)))
        let decision = pending.decide(write, by: directory.index(of: 1)!, in: directory)
        #expect(decision != .unchanged(.rosterAnnotate))
    }
}
