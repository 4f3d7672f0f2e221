import Testing
import TidemarkTesting
import TidemarkWire

@testable import TidemarkDirectory

@Suite("Accounts that are made and that go") struct AccountTests {
    @Test("names and numbers are nobody else's, those on their way included") func creation() {
        var directory = InFlightTests.directory(users: 3)
        var inFlight = InFlight()
        func create(_ name: String, _ user: UserID = 0) -> Decision {
            inFlight.decide(AdminAccountCreate(name: name, user: user), in: directory)
        }
        func refused(_ decision: Decision) -> Bool? {
            switch decision {
            case .refused(let error), .unchangedBehind(.refused(let error)):
                error.code == ErrorCode.notAllowed.rawValue
            default: nil
            }
        }
        #expect(create("user2") == .refused(ErrorMessage(.notAllowed, detail: "there is an account of this name")))
        #expect(refused(create("dora", 3)) == true)
        #expect(create("dora") == .change(.accountCreated(user: 4, name: "dora"), .adminAccountCreate(user: 4)))
        let again = create("dora")
        guard case .unchangedBehind(.refused) = again else {
            Issue.record("a crash could still undo the first: \(again)")
            return
        }
        #expect(create("emil", 9) == .change(.accountCreated(user: 9, name: "emil"), .adminAccountCreate(user: 9)))
        #expect(refused(create("fred", 9)) == true)
        #expect(create("fred") == .change(.accountCreated(user: 10, name: "fred"), .adminAccountCreate(user: 10)))
        #expect(refused(create("greta", Limits.userMax + 1)) == true)
        for (stamp, change) in zip(
            Stamp(20)...,
            [
                Change.accountCreated(user: 4, name: "dora"), .accountCreated(user: 9, name: "emil"),
                .accountCreated(user: 10, name: "fred"), .accountDeleted(user: 10),
            ]
        ) {
            let isAccepted = directory.accepts(change)
            #expect(isAccepted)
            if case .accountDeleted(let user) = change { inFlight.close(user) }
            directory.apply(change, at: stamp)
            inFlight.settle(change)
        }
        #expect(create("fred") == .change(.accountCreated(user: 11, name: "fred"), .adminAccountCreate(user: 11)))
        inFlight.settle(.accountCreated(user: 11, name: "fred"))
        let isEmpty = inFlight.isEmpty
        #expect(isEmpty)
    }

    @Test("one that asks somebody who is on the way out waits for that to land") func waiting() {
        var directory = InFlightTests.directory(users: 2)
        var inFlight = InFlight(policy: .approval)
        let asked = Change.entrySet(owner: 1, contact: 2, number: 1, annotations: Annotations(), consent: .asked)
        directory.apply(asked, at: 10)
        inFlight.close(2)
        #expect(inFlight.withdrawals(of: 1, in: directory) == nil)
        let gone = inFlight.deletion(of: 2)
        directory.apply(gone, at: 11)
        inFlight.settle(gone)
        #expect(inFlight.withdrawals(of: 1, in: directory) == [])
    }

    @Test("two that have asked each other do not wait for each other") func both() {
        var directory = InFlightTests.directory(users: 2)
        var inFlight = InFlight(policy: .approval)
        for (owner, contact) in [(UserID(1), UserID(2)), (2, 1)] {
            directory.apply(
                .entrySet(owner: owner, contact: contact, number: 1, annotations: Annotations(), consent: .asked),
                at: 10 + owner
            )
        }
        let first = inFlight.withdrawals(of: 1, in: directory)
        let second = inFlight.withdrawals(of: 2, in: directory)
        #expect(first?.count == 1 && second?.count == 1)
    }

    @Test("an account that is closed for now, and opened again; its password is the administration's to set")
    func access() {
        var directory = InFlightTests.directory(users: 1)
        var inFlight = InFlight()
        let user = directory.index(of: 1)!
        func disable(_ isDisabled: Bool) -> Decision {
            let request = AdminAccountDisable(user: .id(1), isDisabled: isDisabled)
            return inFlight.decide(request, of: user, in: directory)
        }
        #expect(disable(false) == .unchanged(.adminAccountDisable))
        let closed = Change.accessSet(user: 1, Access(isDisabled: true))
        #expect(disable(true) == .change(closed, .adminAccountDisable))
        #expect(disable(true) == .unchangedBehind(.adminAccountDisable))
        directory.apply(closed, at: 10)
        inFlight.settle(closed)
        let keys = [UInt8](repeating: 7, count: PasswordVerifier.keyBytes)
        let verifier = PasswordVerifier(iterations: 4_096, salt: keys, storedKey: keys, serverKey: keys)
        let set = AdminPasswordSet(user: .id(1), verifier: verifier)
        let changed = Access(isDisabled: true, revokedSeconds: 50, verifier: verifier)
        let decision = inFlight.decide(set, of: user, nowSeconds: 50, in: directory)
        #expect(decision == .change(.accessSet(user: 1, changed), .adminPasswordSet), "it stays closed")
    }
}

/// A server's shards, each as far behind the log as it happens to be, with users who write to each other and accounts that go.
@Suite("Accounts that go, on several shards") struct AccountsOnShardsTests {
    private final class Shard {
        var inFlight: InFlight
        /// Decided, and not given to the log yet.
        var submissions: [Change] = []
        /// Of how much of the log.
        var applied = 0
        var mail: [Mail] = []
        /// Told of an account that is closed, once the log has what was decided before.
        var closings: [(user: UserID, home: Int)] = []
        /// Of this shard's accounts that go, how many shards have still to close.
        var deletions: [UserID: Int] = [:]
        var waiting: [UserID] = []

        init(_ policy: RosterPolicy) { inFlight = InFlight(policy: policy) }
    }

    private enum Mail {
        case answer(RosterAnswer, from: AccountIndex)
        case close(UserID, home: Int)
        case closed(UserID)
    }

    private final class Team {
        let directories: ShardDirectories
        let shards: [Shard]
        private var log: [(change: Change, origin: Int, stamp: Stamp, profiles: SharedProfiles?)] = []
        private var stamp: Stamp = 1_000

        init(_ count: Int, _ policy: RosterPolicy) {
            directories = ShardDirectories(ShardMap(count: count), epochs: EpochHistory(current: 1))
            shards = (0..<count).map { _ in Shard(policy) }
        }

        func shard(of user: UserID) -> Int { directories.map.shard(of: user) }

        func create(_ user: UserID) {
            append([.accountCreated(user: user, name: "user\(user)")], origin: 0)
            for shard in shards.indices { advance(shard, by: .max) }
        }

        private func append(_ changes: [Change], origin: Int) {
            for change in changes {
                stamp += 1
                let profiles = shards.count > 1 ? SharedProfiles(changes: 1, shards: shards.count) : nil
                log.append((change, origin, stamp, profiles))
            }
        }

        func submit(_ shard: Int) {
            append(shards[shard].submissions, origin: shard)
            shards[shard].submissions = []
            let told = shards[shard].closings
            shards[shard].closings = []
            for closing in told { shards[closing.home].mail.append(.closed(closing.user)) }
        }

        func advance(_ shard: Int, by count: Int) {
            let state = shards[shard]
            let end = min(log.count, state.applied + min(count, log.count))
            for position in state.applied..<end {
                let (change, origin, stamp, profiles) = log[position]
                let isAccepted =
                    directories[shard].map.shard(of: change.owner) != shard || directories[shard].accepts(change)
                #expect(isAccepted, "\(change) on shard \(shard)")
                if origin == shard { state.inFlight.settle(change) }
                if case .accountDeleted(let user) = change { state.inFlight.settleDeletion(of: user) }
                directories[shard].apply(change, at: stamp, sharing: profiles?.place(0))
            }
            state.applied = end
            for user in state.waiting { withdraw(user, shard) }
        }

        func write(_ write: Write, by user: UserID, _ random: inout Seed) {
            let shard = shard(of: user)
            guard let index = directories[shard].index(of: user) else { return }
            if case .rosterAnswer(let answer) = write {
                return shards[self.shard(of: answer.user)].mail.append(.answer(answer, from: index))
            }
            if case .change(let change, _) = shards[shard].inFlight.decide(write, by: index, in: directories[shard]) {
                shards[shard].submissions.append(change)
            }
        }

        func delete(_ user: UserID) {
            let shard = shard(of: user)
            guard directories[shard].index(of: user) != nil, !shards[shard].inFlight.isGoing(user) else { return }
            shards[shard].deletions[user] = shards.count
            withdraw(user, shard)
        }

        private func withdraw(_ user: UserID, _ shard: Int) {
            shards[shard].waiting.removeAll { $0 == user }
            guard let changes = shards[shard].inFlight.withdrawals(of: user, in: directories[shard]) else {
                return shards[shard].waiting.append(user)
            }
            shards[shard].submissions += changes
            for other in shards { other.mail.append(.close(user, home: shard)) }
        }

        func read(_ shard: Int, _ random: inout Seed) {
            // All that the senders knew of is applied before.
            advance(shard, by: .max)
            let mail = shards[shard].mail
            shards[shard].mail = []
            for letter in mail {
                switch letter {
                case .answer(let answer, let contact):
                    let decision = shards[shard].inFlight.decide(answer, from: contact, in: directories[shard])
                    if case .change(let change, _) = decision { shards[shard].submissions.append(change) }
                case .close(let user, let home):
                    shards[shard].inFlight.close(user)
                    shards[shard].closings.append((user, home))
                case .closed(let user):
                    shards[shard].deletions[user]! -= 1
                    guard shards[shard].deletions[user] == 0 else { continue }
                    shards[shard].deletions[user] = nil
                    shards[shard].submissions.append(shards[shard].inFlight.deletion(of: user))
                }
            }
        }

        func finish(_ random: inout Seed) {
            for _ in 0..<8 {
                for shard in shards.indices {
                    submit(shard)
                    read(shard, &random)
                }
            }
            for shard in shards.indices {
                submit(shard)
                advance(shard, by: .max)
            }
            for shard in shards.indices { advance(shard, by: .max) }
        }
    }

    private static func write(_ random: inout Seed, users: UserID) -> Write {
        let user = UserID(random.below(Int(users)) + 1)
        let known = random.chance(50) ? user : Limits.pendingUser(random.below(6) + 1)
        switch random.below(8) {
        case 0, 1, 2: return .rosterAdd(RosterAdd(contact: .name("user\(user)")))
        case 3: return .rosterRemove(RosterRemove(contact: known))
        case 4: return .rosterAnnotate(RosterAnnotate(contact: known, annotations: Annotations(alias: "a")))
        case 5, 6: return .rosterAnswer(RosterAnswer(user: user, answer: random.chance(70) ? .approve : .refuse))
        default: return .blockSet(BlockSet(user: user, isBlocked: random.chance(60), note: "n"))
        }
    }

    @Test(
        "no change names an account behind its deletion, and nothing is left of it",
        arguments: [1, 2, 3, 5],
        [RosterPolicy.open, .approval]
    )
    func model(shards: Int, policy: RosterPolicy) {
        for round in 1...12 {
            var random = Seed(default: UInt64(round))
            let team = Team(shards, policy)
            var users: UserID = 6
            for user in 1...users { team.create(user) }
            var gone: Set<UserID> = []
            for _ in 0..<600 {
                let shard = random.below(shards)
                switch random.below(10) {
                case 0: team.submit(shard)
                case 1: team.advance(shard, by: random.below(6))
                case 2: team.read(shard, &random)
                case 3 where random.chance(15):
                    let user = UserID(random.below(Int(users)) + 1)
                    gone.insert(user)
                    team.delete(user)
                    // It goes on as long as it can, and so do the others.
                    for other in 1...users {
                        let answer = RosterAnswer(user: other, answer: random.chance(50) ? .approve : .refuse)
                        team.write(.rosterAnswer(answer), by: user, &random)
                        team.write(.rosterAdd(RosterAdd(contact: .name("user\(user)"))), by: other, &random)
                    }
                    if random.chance(50) {
                        // Another at once, perhaps one that it asked.
                        let other = UserID(random.below(Int(users)) + 1)
                        gone.insert(other)
                        team.delete(other)
                    }
                case 4 where random.chance(20):
                    team.finish(&random)
                    users += 1
                    team.create(users)
                default:
                    team.write(Self.write(&random, users: users), by: UserID(random.below(Int(users)) + 1), &random)
                }
            }
            team.finish(&random)
            let seed = "TIDEMARK_SEED=\(random.value)"
            for (index, shard) in team.shards.enumerated() {
                let isEmpty = shard.inFlight.isEmpty
                #expect(isEmpty && shard.deletions.isEmpty, "shard \(index); \(seed)")
                for user in gone { #expect(team.directories[index].index(of: user) == nil, "\(user); \(seed)") }
                for user in 1...users {
                    guard let owner = team.directories[index].index(of: user) else { continue }
                    for other in gone {
                        let aside = team.directories[index].aside(of: owner, other)
                        #expect(aside != .request, "\(user) is asked by \(other), who is gone; \(seed)")
                    }
                }
                while team.directories[index].maintain(steps: 64) {}
                team.directories[index].checkInvariants()
            }
        }
    }
}
